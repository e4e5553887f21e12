//! Gives the worker a run path to libtorch, so that it starts without LD_LIBRARY_PATH.
fn main() {
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
}
