//! A disk that stops: which of the steps of a process are on the disk afterwards.
//!
//! Synced changes are on the disk. Of other changes of names, those up to a random point are there, in their order, as
//! with a journal; each folder has a point of its own. Each unsynced write of bytes is there completely, half or not at
//! all. So a file may have its name without its bytes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::workspace::Draw;

/// A step, as `src/disk/faults.rs` records it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) enum Step {
    CreateDir {
        path: PathBuf,
    },
    Write {
        path: PathBuf,
        bytes: Vec<u8>,
    },
    SetMode {
        path: PathBuf,
        mode: u32,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    RemoveDirAll {
        path: PathBuf,
    },
    Sync {
        path: PathBuf,
    },
    SyncDir {
        path: PathBuf,
    },
    SyncFileSystem {
        #[serde(rename = "path")]
        _path: PathBuf,
    },
    WriteAt {
        path: PathBuf,
        offset: u64,
        bytes: Vec<u8>,
    },
    SetLen {
        path: PathBuf,
        len: u64,
    },
}

type Inode = usize;

#[derive(Clone)]
enum Node {
    Dir(BTreeMap<String, Inode>),
    File { bytes: Vec<u8>, mode: u32 },
}

/// A change of one inode.
#[derive(Clone)]
enum Change {
    /// A name in a folder points to an inode, or is removed.
    Name {
        dir: Inode,
        name: String,
        to: Option<Inode>,
    },
    Bytes {
        file: Inode,
        at: u64,
        bytes: Vec<u8>,
    },
    Len {
        file: Inode,
        len: u64,
    },
    Mode {
        file: Inode,
        mode: u32,
    },
}

impl Change {
    fn inode(&self) -> Inode {
        match self {
            Change::Name { dir, .. } => *dir,
            Change::Bytes { file, .. } | Change::Len { file, .. } | Change::Mode { file, .. } => *file,
        }
    }
}

/// Changes that are lost together or not at all, and whether they were synced.
struct Pending {
    changes: Vec<Change>,
    durable: bool,
}

/// The files below one folder.
#[derive(Clone)]
pub(crate) struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
}

impl Disk {
    /// The contents of a folder, all of it on the disk.
    pub(crate) fn read(root: &Path) -> Self {
        let mut disk = Disk { root: root.to_owned(), nodes: vec![Node::Dir(BTreeMap::new())] };
        disk.fill(0, root);
        disk
    }

    fn fill(&mut self, dir: Inode, path: &Path) {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let node = match path.is_dir() {
                true => Node::Dir(BTreeMap::new()),
                false => Node::File {
                    bytes: fs::read(&path).unwrap(),
                    mode: path.metadata().unwrap().permissions().mode(),
                },
            };
            let inode = self.add(node);
            self.apply(&Change::Name { dir, name, to: Some(inode) });
            if path.is_dir() {
                self.fill(inode, &path);
            }
        }
    }

    fn add(&mut self, node: Node) -> Inode {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn entries(&self, dir: Inode) -> &BTreeMap<String, Inode> {
        match &self.nodes[dir] {
            Node::Dir(entries) => entries,
            Node::File { .. } => panic!("a file has no entries"),
        }
    }

    fn find(&self, path: &Path) -> Option<Inode> {
        // Paths are relative, as given to the command, or absolute.
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let mut below = below.iter().filter(|name| *name != ".");
        below.try_fold(0, |dir, name| self.entries(dir).get(name.to_str().unwrap()).copied())
    }

    fn at(&self, path: &Path) -> Inode {
        self.find(path).unwrap_or_else(|| panic!("{} is not there", path.display()))
    }

    fn name(&self, path: &Path, to: Option<Inode>) -> Change {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Change::Name { dir: self.at(path.parent().unwrap()), name, to }
    }

    fn apply(&mut self, change: &Change) {
        match (change, &mut self.nodes[change.inode()]) {
            (Change::Name { name, to: Some(to), .. }, Node::Dir(entries)) => {
                entries.insert(name.clone(), *to);
            }
            (Change::Name { name, to: None, .. }, Node::Dir(entries)) => {
                entries.remove(name);
            }
            (Change::Bytes { at, bytes: new, .. }, Node::File { bytes, .. }) => {
                let end = *at as usize + new.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at as usize..end].copy_from_slice(new);
            }
            (Change::Len { len, .. }, Node::File { bytes, .. }) => bytes.resize(*len as usize, 0),
            (Change::Mode { mode: new, .. }, Node::File { mode, .. }) => *mode = *new,
            _ => panic!("a change of a file is none of a folder"),
        }
    }

    /// The changes of a step; new inodes are added.
    fn changes(&mut self, step: &Step) -> Vec<Vec<Change>> {
        match step {
            Step::CreateDir { path } => {
                let dir = self.add(Node::Dir(BTreeMap::new()));
                vec![vec![self.name(path, Some(dir))]]
            }
            Step::Write { path, bytes } => {
                let there = self.find(path);
                let file =
                    there.unwrap_or_else(|| self.add(Node::File { bytes: Vec::new(), mode: 0o100_444 }));
                let mut changes = Vec::new();
                match there {
                    Some(_) => changes.push(vec![Change::Len { file, len: 0 }]),
                    None => changes.push(vec![self.name(path, Some(file))]),
                }
                changes.push(vec![Change::Bytes { file, at: 0, bytes: bytes.clone() }]);
                changes
            }
            Step::SetMode { path, mode } => {
                vec![vec![Change::Mode { file: self.at(path), mode: 0o100_000 | mode }]]
            }
            Step::Link { from, to } => vec![vec![self.name(to, Some(self.at(from)))]],
            // The new name first: the random point of its folder decides.
            Step::Rename { from, to } => {
                vec![vec![self.name(to, Some(self.at(from))), self.name(from, None)]]
            }
            Step::Remove { path } | Step::RemoveDirAll { path } => vec![vec![self.name(path, None)]],
            Step::WriteAt { path, offset, bytes } => {
                vec![vec![Change::Bytes { file: self.at(path), at: *offset, bytes: bytes.clone() }]]
            }
            Step::SetLen { path, len } => vec![vec![Change::Len { file: self.at(path), len: *len }]],
            Step::Sync { .. } | Step::SyncDir { .. } | Step::SyncFileSystem { .. } => Vec::new(),
        }
    }

    /// A possible state of the disk after it stopped behind `steps`.
    pub(crate) fn after(&self, steps: &[Step], draw: &mut Draw) -> Disk {
        let mut now = self.clone();
        let mut log: Vec<Pending> = Vec::new();
        for step in steps {
            for changes in now.changes(step) {
                changes.iter().for_each(|change| now.apply(change));
                log.push(Pending { changes, durable: false });
            }
            let synced = match step {
                Step::Sync { path } | Step::SyncDir { path } => Some(now.at(path)),
                Step::SyncFileSystem { .. } => None,
                _ => continue,
            };
            for pending in &mut log {
                pending.durable |= synced.is_none_or(|inode| pending.changes[0].inode() == inode);
            }
        }
        // The same inodes, as they were before the first step.
        let mut found = self.clone();
        found.nodes.extend(now.nodes[self.nodes.len()..].iter().map(|node| match node {
            Node::Dir(_) => Node::Dir(BTreeMap::new()),
            Node::File { .. } => Node::File { bytes: Vec::new(), mode: 0o100_444 },
        }));
        // For each folder, how many of its unsynced names are there: none, all, or some.
        let mut waiting: HashMap<Inode, u64> = HashMap::new();
        for pending in log.iter().filter(|pending| !pending.durable) {
            *waiting.entry(pending.changes[0].inode()).or_default() += 1;
        }
        let mut order: Vec<(Inode, u64)> = waiting.into_iter().collect();
        order.sort_unstable();
        let mood = draw.below(3);
        let mut left: HashMap<Inode, u64> = order
            .into_iter()
            .map(|(inode, count)| (inode, [0, count, draw.below(count + 1)][mood as usize]))
            .collect();
        for pending in &log {
            let first = &pending.changes[0];
            let kept = match first {
                _ if pending.durable => pending.changes.clone(),
                Change::Name { dir, .. } => match left.get_mut(dir) {
                    Some(left) if *left > 0 => {
                        *left -= 1;
                        pending.changes.clone()
                    }
                    _ => continue,
                },
                Change::Bytes { file, at, bytes } => match draw.below(3) {
                    0 => continue,
                    1 => pending.changes.clone(),
                    _ => {
                        vec![Change::Bytes { file: *file, at: *at, bytes: bytes[..bytes.len() / 2].to_vec() }]
                    }
                },
                Change::Len { .. } | Change::Mode { .. } if draw.below(2) == 0 => continue,
                _ => pending.changes.clone(),
            };
            kept.iter().for_each(|change| found.apply(change));
        }
        found
    }

    /// Writes the disk to a folder.
    pub(crate) fn write(&self, to: &Path) {
        self.write_dir(0, to);
    }

    fn write_dir(&self, dir: Inode, to: &Path) {
        for (name, inode) in self.entries(dir) {
            let path = to.join(name);
            match &self.nodes[*inode] {
                Node::Dir(_) => {
                    fs::create_dir(&path).unwrap();
                    self.write_dir(*inode, &path);
                }
                Node::File { bytes, mode } => {
                    fs::write(&path, bytes).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                }
            }
        }
    }
}
