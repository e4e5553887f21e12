//! Metadata of a file, a folder or a link itself.

use rustix::fs::FileType;

/// Metadata of a file or folder; of a link, the link's own.
#[derive(Debug, Clone, Copy)]
pub struct FileStat(pub(super) rustix::fs::Stat);

// The widths of these fields differ between systems.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
impl FileStat {
    pub(super) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.0.st_mode)
    }

    /// Whether it is a plain file.
    pub fn is_file(&self) -> bool {
        self.file_type() == FileType::RegularFile
    }

    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.file_type() == FileType::Symlink
    }

    /// Size in bytes.
    pub fn len(&self) -> u64 {
        self.0.st_size as u64
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes on the disk.
    pub fn room(&self) -> u64 {
        // Blocks are counted in units of 512 bytes, whatever their size.
        self.0.st_blocks as u64 * 512
    }

    /// Permissions.
    pub fn mode(&self) -> u32 {
        self.0.st_mode as u32 & 0o7777
    }

    /// Number of its names (hard links).
    pub fn names(&self) -> u64 {
        self.0.st_nlink as u64
    }

    /// Time of the last change of its bytes: seconds and nanoseconds since 1970.
    pub fn modified(&self) -> (i64, i64) {
        (self.0.st_mtime as i64, self.0.st_mtime_nsec as i64)
    }

    /// Time of the last change of the file or of its names, in seconds since 1970.
    pub fn changed(&self) -> i64 {
        self.0.st_ctime as i64
    }

    pub(super) fn owner(&self) -> (u32, u32) {
        (self.0.st_uid as u32, self.0.st_gid as u32)
    }

    pub(super) fn is_same(&self, other: &FileStat) -> bool {
        (self.0.st_dev, self.0.st_ino) == (other.0.st_dev, other.0.st_ino)
    }

    /// What it is, for an error where a file is expected.
    pub(super) fn called(&self) -> &'static str {
        match self.file_type() {
            FileType::Directory => "folder",
            FileType::Symlink => "symbolic link",
            FileType::Fifo => "pipe",
            FileType::Socket => "socket",
            FileType::CharacterDevice | FileType::BlockDevice => "device",
            _ => "file of an unknown kind",
        }
    }
}
