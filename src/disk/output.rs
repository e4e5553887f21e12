//! Outputs that a user asked for, outside of any registry: complete or absent.
//!
//! An incomplete output has a random new name next to its final path, so that nobody can have prepared a file there. It
//! is locked meanwhile: an unlocked file with such a name for the same path was left by a killed process, and the next
//! process removes it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::change::{PLAIN, is_part_of, part_name};
use super::dir::{Dir, raw};
use super::{WriteStep, step};

/// The folder of an output, and the name of the output in it.
fn place(path: &Path) -> io::Result<(Dir, String)> {
    let name = path.file_name().ok_or_else(|| io::Error::from(ErrorKind::IsADirectory))?;
    Ok((Dir::open(path.parent().unwrap_or(Path::new("")))?, name.to_string_lossy().into_owned()))
}

/// Removes files that killed processes have left of the same output. A file that cannot be removed stays.
fn tidy(dir: &Dir, name: &str) {
    for (part, is_dir) in dir.entries().unwrap_or_default() {
        let ours = is_part_of(&part, name) && dir.stat(&part).is_ok_and(|stat| dir.is_ours(&stat));
        if ours && is_dir {
            if dir.subdir(&part).and_then(|dir| dir.try_lock()).is_ok_and(|free| free) {
                let _ = dir.remove_dir_all(&part);
            }
        } else if ours && dir.open_file(&part).is_ok_and(|(file, _)| file.try_lock().is_ok()) {
            let _ = dir.remove_file(&part);
        }
    }
}

/// The umask that the user had when a shared registry was opened.
static UMASK: OnceLock<u32> = OnceLock::new();

/// Allows these bits of a mode in files that this process creates from now on, whatever the umask: for a shared
/// registry. Outputs that the user asks for still respect the original umask.
pub fn allow(bits: u32) {
    let before = rustix::process::umask(raw(0o077)).bits();
    rustix::process::umask(raw(before & !bits));
    UMASK.get_or_init(|| before);
}

/// The mode of an output.
fn output_mode(mode: u32) -> u32 {
    UMASK.get().map_or(mode, |umask| mode & !umask)
}

/// A file that is being written. It is removed if it is dropped before it is finished.
pub struct OutputFile {
    file: File,
    /// None of a pipe or device, which is written to as it is.
    part: Option<PartFile>,
}

/// The file under another name until it is finished.
struct PartFile {
    dir: Dir,
    part: String,
    name: PathBuf,
    done: bool,
}

/// Opens a pipe, a terminal or another device, or what a link of `/dev` and `/proc` leads to, such as `/dev/stdout`: a file
/// must not take its place.
fn open_stream(path: &Path) -> io::Result<Option<File>> {
    let is_file = |metadata: &fs::Metadata| metadata.is_file() || metadata.is_dir();
    let is_device = fs::metadata(path).is_ok_and(|metadata| !is_file(&metadata));
    let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    let above = || path.parent().and_then(|above| fs::canonicalize(above).ok());
    let is_system = |above: PathBuf| above.starts_with("/dev") || above.starts_with("/proc");
    if is_device || is_link && above().is_some_and(is_system) {
        return File::options().append(true).open(path).map(Some);
    }
    Ok(None)
}

impl OutputFile {
    /// Begins a file that will be placed at `path`.
    pub fn begin(path: &Path) -> io::Result<Self> {
        Self::begin_with_mode(path, PLAIN)
    }

    /// Begins a file of this mode, less the umask.
    pub fn begin_with_mode(path: &Path, mode: u32) -> io::Result<Self> {
        if let Some(file) = open_stream(path)? {
            return Ok(OutputFile { file, part: None });
        }
        let (dir, name) = place(path)?;
        tidy(&dir, &name);
        loop {
            let part = part_name(&name)?;
            let file = dir.create_new(&part, output_mode(mode))?;
            file.lock()?;
            let name = path.file_name().unwrap_or(OsStr::new("")).into();
            // Before the file was locked, another process may have removed it as abandoned.
            if dir.stat(&part).is_ok() {
                return Ok(OutputFile { file, part: Some(PartFile { dir, part, name, done: false }) });
            }
        }
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its name, and replaces a file of that name.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(part) = &mut self.part {
            part.dir.rename(&part.part, &part.dir, &part.name)?;
            part.done = true;
        }
        Ok(())
    }

    /// Writes the bytes of the file and waits until they are on the disk.
    pub fn write_durably(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(part) = &self.part else { return self.file.write_all(bytes) };
        let shown = part.dir.path_of(&part.part);
        super::write_at(&self.file, &shown, 0, bytes)?;
        step(WriteStep::Sync { path: &shown }, || self.file.sync_all())
    }

    /// Gives the file its name, which must be free, and waits until the name is on the disk. After an error the file is
    /// gone.
    pub fn finish_new(mut self) -> io::Result<()> {
        let Some(part) = &mut self.part else { return Ok(()) };
        part.dir.rename_new(&part.part, &part.dir, &part.name)?;
        part.done = true;
        part.dir.sync_dir().inspect_err(|_| drop(part.dir.remove_file(&part.name)))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.done {
            let _ = self.dir.remove_file(&self.part);
        }
    }
}

/// Writes a file of these bytes.
pub fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut output = OutputFile::begin(path)?;
    output.file().write_all(bytes)?;
    output.finish()
}

/// A folder that is being filled. It is removed if it is dropped before it is finished.
pub struct OutputFolder {
    above: Dir,
    part: String,
    dir: Dir,
    name: PathBuf,
    done: bool,
}

impl OutputFolder {
    /// Begins a folder that will be placed at `path`; missing parent folders are made.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let above = path.parent().unwrap_or(Path::new(""));
        Dir::make(if above.as_os_str().is_empty() { Path::new(".") } else { above })?;
        let (above, name) = place(path)?;
        tidy(&above, &name);
        loop {
            let part = part_name(&name)?;
            above.create_dir(&part)?;
            let dir = above.subdir(&part)?;
            dir.lock()?;
            let name = path.file_name().unwrap_or(OsStr::new("")).into();
            if above.has(&part, &dir) {
                return Ok(OutputFolder { above, part, dir, name, done: false });
            }
        }
    }

    /// The open folder.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Gives the folder its name, which must be free or that of an empty folder.
    pub fn finish(mut self) -> io::Result<()> {
        self.above.rename(&self.part, &self.above, &self.name)?;
        self.done = true;
        Ok(())
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        if !self.done {
            let _ = self.above.remove_dir_all(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_output_is_there_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        let mut half = OutputFile::begin(&path).unwrap();
        half.file().write_all(b"ha").unwrap();
        assert!(!path.exists());
        drop(half);
        assert!(names(dir.path()).is_empty());
        save(&path, b"whole").unwrap();
        save(&path, b"again").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), names(dir.path())),
            (b"again".to_vec(), vec!["out.csv".to_owned()])
        );
        let folder = OutputFolder::begin(&dir.path().join("a/b")).unwrap();
        folder.dir().write_new("file", b"x", PLAIN).unwrap();
        assert_eq!(names(&dir.path().join("a")).len(), 1);
        folder.finish().unwrap();
        assert_eq!(names(&dir.path().join("a/b")), ["file"]);
    }

    #[test]
    fn what_killed_processes_left_goes_and_what_is_in_use_or_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let part = |n: u64| format!(".out.{n:016x}.part");
        fs::write(at(&part(1)), b"left").unwrap();
        fs::create_dir(at(&part(2))).unwrap();
        fs::write(at("precious"), b"x").unwrap();
        symlink(at("precious"), at(&part(3))).unwrap();
        fs::write(at(".out.4711.part"), b"x").unwrap();
        fs::write(at(".other.0000000000000001.part"), b"x").unwrap();
        let in_use = OutputFile::begin(&at("out")).unwrap();
        save(&at("out"), b"whole").unwrap();
        let left = names(dir.path());
        assert_eq!(left.len(), 6, "{left:?}");
        assert!(!left.contains(&part(1)) && !left.contains(&part(2)) && left.contains(&part(3)));
        assert!(left.contains(&in_use.part.as_ref().unwrap().part));
        in_use.finish().unwrap();
        assert!(at("precious").exists());
    }

    #[test]
    fn a_device_or_pipe_is_written_to_and_never_replaced() {
        use std::os::unix::fs::FileTypeExt;
        save(Path::new("/dev/null"), b"gone").unwrap();
        assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
        let full = save(Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, raw(0o600)).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        save(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        // A link of the system's leads to an open file, whatever that is.
        let target = dir.path().join("target");
        let open = File::create(&target).unwrap();
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        save(Path::new(&link), b"behind").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"behind");
        // Any other link is replaced, as every file is.
        let own = dir.path().join("own");
        std::os::unix::fs::symlink(&target, &own).unwrap();
        save(&own, b"new").unwrap();
        assert_eq!(
            (fs::read(&own).unwrap(), fs::read(&target).unwrap()),
            (b"new".to_vec(), b"behind".to_vec())
        );
    }
}
