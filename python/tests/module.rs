//! The extension module that `cargo test --workspace` builds can be loaded by any Python from 3.10 on: it is not linked
//! to one. What it does is tested by tests/peers/python.rs, which loads it.

use std::path::PathBuf;

#[test]
fn the_module_is_for_every_python() {
    // Beside this test or above it, as cargo pleases.
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let names = ["libregcxr.so", "libregcxr.dylib"];
    let places = [folder.parent().unwrap().to_owned(), folder].into_iter();
    let found: Option<PathBuf> =
        places.flat_map(|folder| names.map(|name| folder.join(name))).find(|path| path.is_file());
    let bytes = std::fs::read(found.expect("cargo builds the module before this test")).unwrap();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(has(b"PyInit__native\0"), "it has the function that Python calls");
    assert!(!has(b"libpython3"), "it needs no particular Python");
}
