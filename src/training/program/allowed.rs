//! What a confined program may read and write besides its own files: the system's programs and libraries, its
//! interpreter, devices. The user's home and the registry are never among it.

use std::fs;
use std::path::{Path, PathBuf};

/// The system's programs and libraries.
const SYSTEM: [&str; 12] = [
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/nix/store",
    "/gnu/store",
    // What lies beside these in `/opt` may be anything; an interpreter there is found by its own folder.
    "/opt/cuda",
    "/opt/intel",
    "/opt/nvidia",
    "/opt/rocm",
];
/// What the system tells of itself.
const KERNEL_FOLDERS: [&str; 2] = ["/proc", "/sys"];
/// Settings that programs of the system read, by the beginning of their names.
const SETTINGS: [&str; 22] = [
    "alternatives",
    "bash",
    "ca-certificates",
    "default",
    "fonts",
    "gai.conf",
    "group",
    "host",
    "inputrc",
    "java",
    "julia",
    "ld.so",
    "locale",
    "localtime",
    "magic",
    "mime",
    "nsswitch",
    "passwd",
    "python",
    "resolv.conf",
    "ssl",
    "R",
];
/// Folders beside one with programs that belong to them; `versions` is of pyenv and rbenv.
const BESIDE: [&str; 8] = ["lib", "lib32", "lib64", "libexec", "share", "include", "pipx", "versions"];
/// Devices that hold no data of anybody, and shared memory.
const DEVICES: [&str; 9] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/shm",
    "/dev/kfd",
    "/dev/dri",
];

/// Whether a file is one of the system's programs, libraries or settings, or tells something of the machine.
pub(super) fn is_of_the_system(path: &Path) -> bool {
    SYSTEM.iter().chain(&KERNEL_FOLDERS).chain(&["/etc", "/dev"]).any(|folder| path.starts_with(folder))
}

/// What a program may read, without what lies at `never` or leads there.
pub(super) fn readable(own: &[PathBuf], never: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let system = SYSTEM.iter().map(PathBuf::from);
    for path in system.chain(own.iter().cloned()) {
        // By both names: a program may be a link into another folder.
        for path in [Some(path.clone()), fs::canonicalize(&path).ok()].into_iter().flatten() {
            around(&path, never, &mut all);
        }
    }
    all.extend(KERNEL_FOLDERS.iter().map(PathBuf::from));
    let settings = fs::read_dir("/etc").into_iter().flatten().flatten().map(|entry| entry.path());
    let is_known = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        SETTINGS.iter().any(|known| name.starts_with(known))
    };
    all.extend(settings.filter(is_known));
    all.sort();
    all.dedup();
    all
}

/// The devices that a program may use: those without data, and GPUs.
pub(super) fn devices() -> Vec<PathBuf> {
    let of_gpus = fs::read_dir("/dev").into_iter().flatten().flatten();
    let of_gpus = of_gpus.filter(|entry| entry.file_name().to_string_lossy().starts_with("nvidia"));
    DEVICES.iter().map(PathBuf::from).chain(of_gpus.map(|entry| entry.path())).collect()
}

/// The folder itself or, if one of `never` lies in it, what it has beside the way there.
fn around(path: &Path, never: &[PathBuf], all: &mut Vec<PathBuf>) {
    if never.iter().any(|never| path.starts_with(never)) {
        return;
    }
    if !never.iter().any(|never| never.starts_with(path)) {
        all.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        around(&entry.path(), never, all);
    }
}

/// The folders of installed programs, of which one is found in `folder`: this one and, if it is `bin`, those beside it
/// with their libraries. The folder above as a whole could be anybody's, with files that no record names.
pub(super) fn of_programs(folder: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in [Some(folder.to_owned()), fs::canonicalize(folder).ok()].into_iter().flatten() {
        let is = |path: &Path, names: &[&str]| {
            path.file_name().is_some_and(|name| names.iter().any(|of| name == *of))
        };
        // Above `/bin` lies everything.
        let is_own = |above: &&Path| is(&folder, &["bin", "shims"]) && above.parent().is_some();
        if let Some(above) = folder.parent().filter(is_own) {
            folders.extend(BESIDE.map(|name| above.join(name)));
        }
        folders.push(folder);
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_above_that_of_programs_is_never_the_root() {
        let found = of_programs(Path::new("/usr/bin"));
        assert!(found.contains(&PathBuf::from("/usr/lib")) && !found.contains(&PathBuf::from("/usr")));
        for folder in ["/bin", "/sbin", "/shims"] {
            assert!(!of_programs(Path::new(folder)).contains(&PathBuf::from("/")), "{folder}");
        }
    }

    #[test]
    fn a_folder_that_holds_what_must_not_be_read_is_allowed_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a", "b/c", "b/registry/objects"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        let mut all = Vec::new();
        around(folder.path(), &[at("b/registry")], &mut all);
        all.sort();
        assert_eq!(all, [at("a"), at("b/c")]);
        let mut none = Vec::new();
        around(&at("b/registry/objects"), &[at("b/registry")], &mut none);
        assert_eq!(none, Vec::<PathBuf>::new());
    }
}
