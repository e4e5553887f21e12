//! What a program is given: `job.json`, the lists of images, its files and inputs, in folders of its own.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::ProgramError;
use crate::disk::{Dir, Doing};
use crate::hash::Hash;
use crate::records::{Gender, ImageRow, Manifest, Program, ProgramSpec, Spec, Subset, ViewPosition};
use crate::registry::Registry;
use crate::training::RunError;
use crate::training::unfinished::PROGRAM_OUT;

/// Version of `job.json` and of the lists that it names.
const FORMAT: u32 = 1;
const SUBSETS: [(Subset, &str); 3] =
    [(Subset::Train, "train.csv"), (Subset::Val, "val.csv"), (Subset::Test, "test.csv")];

/// `job.json`; `schema/cli/run-job.schema.json` describes it.
#[derive(Debug, Serialize)]
pub struct ProgramJob<'a> {
    /// Version of this format.
    pub format: u32,
    /// The labels: the columns of the lists, and those of the scores.
    pub labels: &'a [String],
    /// The seed.
    pub seed: u64,
    /// Fold of the split, from 0.
    pub fold: u32,
    /// Id of the data set.
    pub dataset: Hash,
    /// Id of the split.
    pub split: Hash,
    /// Path of the list of training images: CSV with the columns `Image Index`, `path`, `Patient ID`, `Patient Age`,
    /// `Patient Gender`, `View Position`, then one column per label with 1, 0 or, if it is unknown, nothing.
    pub train: &'a Path,
    /// Path of the list of validation images, with the same columns.
    pub val: &'a Path,
    /// Path of the list of test images, without columns of labels.
    pub test: &'a Path,
}

/// The folders of a program.
pub(super) struct ProgramFolders {
    /// The job and the lists.
    pub(super) job: PathBuf,
    /// Its files, where the command runs.
    pub(super) source: PathBuf,
    /// Its inputs.
    pub(super) inputs: PathBuf,
    /// What it leaves.
    pub(super) out: PathBuf,
    /// Its home and its folder for temporary files.
    pub(super) home: PathBuf,
    /// The image files of the lists.
    pub(super) images: Vec<PathBuf>,
    /// The file of its launch plan.
    pub(super) plan: PathBuf,
    /// Each input's key and path.
    pub(super) input_paths: Vec<(String, PathBuf)>,
}

/// Makes the folders of a program in `dir`, in which `out` may be that of an interrupted attempt.
pub(super) fn prepare(
    registry: &Registry,
    spec: &ProgramSpec,
    dir: &Dir,
) -> Result<ProgramFolders, RunError> {
    for name in ["job", "source", "inputs", "home"] {
        match dir.remove_dir_all(name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            removed => removed.doing("remove", &dir.path_of(name))?,
        }
    }
    let folder = |name: &str| dir.folder(name).doing("create", &dir.path_of(name));
    let (job, source, inputs) = (folder("job")?, folder("source")?, folder("inputs")?);
    let (out, home) = (folder(PROGRAM_OUT)?, folder("home")?);
    let images = lists(registry, spec, &job)?;
    files(registry, &spec.program, &source)?;
    let input_paths = link_inputs(registry, &spec.program, &inputs)?;
    let absolute = |dir: &Dir| std::path::absolute(dir.path()).doing("find", dir.path());
    Ok(ProgramFolders {
        job: absolute(&job)?,
        source: absolute(&source)?,
        inputs: absolute(&inputs)?,
        out: absolute(&out)?,
        home: absolute(&home)?,
        images,
        plan: std::path::absolute(dir.path_of("plan.json")).doing("find", dir.path())?,
        input_paths,
    })
}

/// Writes the lists and `job.json`; the image files of the lists.
fn lists(registry: &Registry, spec: &ProgramSpec, job: &Dir) -> Result<Vec<PathBuf>, RunError> {
    let dataset = registry.get(spec.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let whole = Spec::Program(spec.clone());
    let mut images = Vec::new();
    let mut paths = Vec::new();
    for (subset, name) in SUBSETS {
        let rows = registry.members(&whole, subset)?;
        let path = job.path_of(name);
        let mut file = io::BufWriter::new(job.create(name).doing("create", &path)?);
        let labels = if subset == Subset::Test { &[][..] } else { &dataset.labels[..] };
        write_list(registry, &mut file, &manifest, &rows, labels, &mut images)
            .and_then(|()| file.flush())
            .doing("write", &path)?;
        paths.push(std::path::absolute(&path).doing("find", &path)?);
    }
    let document = ProgramJob {
        format: FORMAT,
        labels: &dataset.labels,
        seed: spec.seed,
        fold: spec.fold,
        dataset: spec.dataset.hash,
        split: spec.split.hash,
        train: &paths[0],
        val: &paths[1],
        test: &paths[2],
    };
    let text = serde_json::to_vec_pretty(&document)
        .map_err(|_| ProgramError::NotText(paths[0].to_string_lossy().into_owned()))?;
    job.replace("job.json", &text).doing("write", &job.path_of("job.json"))?;
    Ok(images)
}

fn write_list(
    registry: &Registry,
    file: &mut impl Write,
    manifest: &Manifest,
    rows: &[u32],
    labels: &[String],
    images: &mut Vec<PathBuf>,
) -> io::Result<()> {
    let head = ["Image Index", "path", "Patient ID", "Patient Age", "Patient Gender", "View Position"];
    let head: Vec<String> =
        head.iter().copied().chain(labels.iter().map(String::as_str)).map(quoted).collect();
    writeln!(file, "{}", head.join(","))?;
    for row in rows {
        let row: &ImageRow = &manifest.rows[*row as usize];
        let path =
            row.object.map(|object| std::path::absolute(registry.store().path(&object))).transpose()?;
        let gender = if row.gender == Gender::Unknown { "" } else { row.gender.letter() };
        let view = match row.view {
            ViewPosition::PA => "PA",
            ViewPosition::AP => "AP",
            ViewPosition::Unknown => "",
        };
        let age = row.age.map_or_else(String::new, |age| age.to_string());
        let shown = path.as_deref().map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        let mut fields = vec![quoted(&row.name), quoted(&shown), quoted(&row.patient), age];
        fields.extend([gender, view].map(str::to_owned));
        fields.extend((0..labels.len()).map(|label| match row.label(label) {
            Some(true) => "1".to_owned(),
            Some(false) => "0".to_owned(),
            None => String::new(),
        }));
        writeln!(file, "{}", fields.join(","))?;
        images.extend(path);
    }
    Ok(())
}

/// A field of CSV. Programs read these lists, not spreadsheets: no apostrophe stands before a name that begins with `+`.
fn quoted(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Writes the program's files.
fn files(registry: &Registry, program: &Program, source: &Dir) -> Result<(), RunError> {
    for file in &program.files {
        let path = source.path_of(&file.path);
        if let Some((folder, _)) = file.path.rsplit_once('/') {
            source.create_dir_all(folder).doing("create", &source.path_of(folder))?;
        }
        let bytes = registry.store().read(&file.object.hash)?;
        let mode = if file.executable { 0o555 } else { 0o444 };
        source.write_new(&file.path, &bytes, mode).doing("write", &path)?;
    }
    Ok(())
}

/// Makes a link to each input; the key and the path of each. The object itself has no name that a program could read
/// its format from.
fn link_inputs(
    registry: &Registry,
    program: &Program,
    inputs: &Dir,
) -> Result<Vec<(String, PathBuf)>, RunError> {
    let mut paths = Vec::new();
    for input in &program.inputs {
        // A damaged object must not be computed with.
        registry.store().verify(&input.object.hash, 0, &mut Vec::new())?;
        inputs.create_dir(&input.name).doing("create", &inputs.path_of(&input.name))?;
        let path = inputs.path_of(&input.name).join(&input.file_name);
        let path = std::path::absolute(&path).doing("find", &path)?;
        let object = registry.store().path(&input.object.hash);
        let object = std::path::absolute(&object).doing("find", &object)?;
        std::os::unix::fs::symlink(&object, &path).doing("create", &path)?;
        paths.push((input.name.clone(), path));
    }
    Ok(paths)
}
