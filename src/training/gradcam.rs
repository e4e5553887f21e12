//! Grad-CAM of a run's network on images, and the pointing game on annotated boxes.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

use super::evaluate::{numbers, read_columns};
use super::files::{self, GivenMeta, KnownFile, KnownImages};
use super::inputs::{ExecutionStart, TrainInputs, TrainedNetwork, execution};
use super::process::{Listener, Worked};
use super::software::put_software;
use super::{Device, RunContext, RunError};
use crate::dataset::pixels::Gray;
use crate::dataset::{overlay, pixels};
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::records::{
    Area, Blob, BoxRow, Computed, Heatmap, HeatmapInBox, ImageInput, Manifest, MetaFeatures, Model,
    PointedBox, PointedLabel, Pointing, Run, Spec, Subset, Table, rules,
};
use crate::registry::Transaction;
use crate::stats::{HeatmapGrid, Rect, summarize};
use crate::withdrawal::{refuse_file, refuse_rows};
use crate::worker::{GradcamImages, Job, JobFile, PROTOCOL, Work, files as outputs};

/// Computes the heat map of a label for an image: an image file, or the name of an image of the run's data set.
///
/// Returns the record and the picture. Boxes are known only for images of the run's data set.
pub fn gradcam(
    run_context: RunContext,
    run: Id<Run>,
    image: &OsStr,
    label: &str,
    given: &GivenMeta,
    device: Option<Device>,
    listener: &mut dyn Listener,
) -> Result<(Id<Table>, Heatmap, Vec<u8>), RunError> {
    let registry = run_context.registry;
    let runner = GradcamRunner::new(run_context, run, device)?;
    let manifest = registry.manifest(&runner.context.dataset)?;
    let place = runner.context.dataset.labels.iter().position(|known| known == label).ok_or_else(|| {
        RunError::NoSuchLabel { label: label.to_owned(), labels: runner.context.dataset.labels.clone() }
    })?;
    let seen = Image::find(run_context, &manifest, image, &runner.network.spec.model, given)?;
    match seen.known.row {
        Some(row) => refuse_rows(run_context.policy(), &manifest, &[row as u32], true)?,
        None => refuse_file(run_context.policy(), &seen.known.hash)?,
    }
    let gray = pixels::decode(&seen.bytes)
        .map_err(|source| RunError::NotAnImage { name: seen.name.clone(), source })?;
    let scratch = registry.store().scratch()?;
    let looked = match seen.known.row {
        Some(row) => GradcamImages::Rows(runner.context.dataset.manifest, vec![row as u32]),
        None => {
            let path = files::for_worker(Path::new(image), &seen.bytes, &scratch, 0)?;
            GradcamImages::Files(vec![JobFile { path, hash: seen.known.hash, meta: seen.known.meta }])
        }
    };
    let start = ExecutionStart::now(run_context.environment);
    let (mut maps, worked) = runner.look(looked, vec![place as u32], listener)?;
    let map = maps.pop().ok_or(RunError::Nothing)?;
    let boxes = match seen.known.row {
        Some(row) => runner.boxes(&[(row as u32, place as u32)])?,
        None => Vec::new(),
    };
    let transaction = registry.transaction()?;
    let object = match seen.known.row {
        Some(row) => Id::new(manifest.rows[row].object.ok_or(RunError::Nothing)?),
        None => transaction.put_blob(&seen.bytes)?,
    };
    let meta = if seen.known.row.is_none() { seen.known.meta } else { None };
    let image = DecodedImage { name: seen.name, object, meta, gray: &gray };
    let (heatmap, picture) = runner.heatmap(&transaction, run, image, label, map, &boxes)?;
    let table = Table::Heatmap(Box::new(heatmap.clone()));
    let id = runner.record(transaction, &[table], (&worked, &start))?.pop().ok_or(RunError::Nothing)?;
    Ok((id, heatmap, picture))
}

/// Computes heat maps of labels for images of the run's data set, given as manifest rows and label indices.
///
/// Returns the records, in the same order.
pub fn gradcams(
    run_context: RunContext,
    run: Id<Run>,
    wanted: &[(u32, u32)],
    device: Option<Device>,
    listener: &mut dyn Listener,
) -> Result<Vec<Id<Table>>, RunError> {
    let registry = run_context.registry;
    let runner = GradcamRunner::new(run_context, run, device)?;
    let dataset = &runner.context.dataset;
    let manifest = registry.manifest(dataset)?;
    let boxes = runner.boxes(wanted)?;
    let (rows, labels): (Vec<u32>, Vec<u32>) = wanted.iter().copied().unzip();
    refuse_rows(run_context.policy(), &manifest, &rows, true)?;
    let start = ExecutionStart::now(run_context.environment);
    let (maps, worked) = runner.look(GradcamImages::Rows(dataset.manifest, rows), labels, listener)?;
    let transaction = registry.transaction()?;
    let mut tables = Vec::new();
    for ((row, label), seen) in wanted.iter().zip(maps) {
        let image = &manifest.rows[*row as usize];
        let object = image.object.ok_or_else(|| RunError::NoSuchImage(image.name.to_string()))?;
        let gray = pixels::decode(&registry.store().read(&object)?)
            .map_err(|source| RunError::NotAnImage { name: image.name.to_string(), source })?;
        let own: Vec<BoxRow> =
            boxes.iter().filter(|of| (of.image, of.label) == (*row, *label)).cloned().collect();
        let name = &dataset.labels[*label as usize];
        let image =
            DecodedImage { name: image.name.to_string(), object: Id::new(object), meta: None, gray: &gray };
        let (heatmap, _) = runner.heatmap(&transaction, run, image, name, seen, &own)?;
        tables.push(Table::Heatmap(Box::new(heatmap)));
    }
    runner.record(transaction, &tables, (&worked, &start))
}

/// Computes the pointing game on the boxes of a subset of the run's fold.
pub fn pointing(
    run_context: RunContext,
    run: Id<Run>,
    subset: Subset,
    device: Option<Device>,
    listener: &mut dyn Listener,
) -> Result<(Id<Table>, Pointing), RunError> {
    let registry = run_context.registry;
    let runner = GradcamRunner::new(run_context, run, device)?;
    let dataset = &runner.context.dataset;
    let manifest = registry.manifest(dataset)?;
    let id = dataset.boxes.ok_or_else(|| RunError::NoBoxes(runner.network.spec.dataset.hash.short()))?;
    let mut boxes = registry.boxes(dataset)?.map_or(Vec::new(), |boxes| boxes.rows);
    let members: HashSet<u32> =
        registry.members(&Spec::Network(runner.network.spec.clone()), subset)?.into_iter().collect();
    boxes.retain(|row| members.contains(&row.image));
    if boxes.is_empty() {
        return Err(RunError::NoBoxesIn { subset: subset.name(), fold: runner.network.spec.fold });
    }
    let rows: Vec<u32> = boxes.iter().map(|row| row.image).collect();
    refuse_rows(run_context.policy(), &manifest, &rows, true)?;
    let labels = boxes.iter().map(|row| row.label).collect();
    let start = ExecutionStart::now(run_context.environment);
    let (maps, worked) = runner.look(GradcamImages::Rows(dataset.manifest, rows), labels, listener)?;
    let pointed = boxes.iter().zip(maps).map(|(row, LogitAndMap { logit, cells })| {
        let image = &manifest.rows[row.image as usize];
        let heatmap = in_box(&runner.map(cells, [image.width, image.height]), row);
        let label = dataset.labels[row.label as usize].clone();
        PointedBox { image: image.name.to_string(), label, logit, heatmap }
    });
    let rows: Vec<PointedBox> = pointed.collect();
    let of_label = |label: &String| {
        let of: Vec<&PointedBox> = rows.iter().filter(|row| row.label == *label).collect();
        (!of.is_empty()).then(|| over_boxes(label, &of))
    };
    let pointing = Pointing {
        run,
        dataset: runner.network.spec.dataset,
        boxes: id,
        subset,
        labels: dataset.labels.iter().filter_map(of_label).collect(),
        all: over_boxes("", &rows.iter().collect::<Vec<_>>()),
        rows,
        computed: runner.computed.clone(),
        rules: rules::POINTING,
    };
    let transaction = registry.transaction()?;
    let table = Table::Pointing(Box::new(pointing.clone()));
    let id = runner.record(transaction, &[table], (&worked, &start))?.pop().ok_or(RunError::Nothing)?;
    Ok((id, pointing))
}

fn over_boxes(label: &str, rows: &[&PointedBox]) -> PointedLabel {
    let mean = |of: fn(&HeatmapInBox) -> Option<f64>| {
        summarize(&rows.iter().map(|row| of(&row.heatmap)).collect::<Vec<_>>()).mean
    };
    let count = |of: fn(&HeatmapInBox) -> bool| rows.iter().filter(|row| of(&row.heatmap)).count() as u64;
    PointedLabel {
        label: label.to_owned(),
        boxes: rows.len() as u64,
        hits: count(|heatmap| heatmap.hit),
        without_heat: count(|heatmap| heatmap.heat_share.is_none()),
        heat_share: mean(|heatmap| heatmap.heat_share),
        // Over the same boxes, so that the two means can be compared.
        area_share: mean(|heatmap| heatmap.heat_share.map(|_| heatmap.area_share)),
    }
}

fn in_box(map: &HeatmapGrid, row: &BoxRow) -> HeatmapInBox {
    let rect = Rect { x: row.x, y: row.y, w: row.w, h: row.h };
    let [width, height] = map.image.map(f64::from);
    // A box can extend beyond the image.
    let clipped = |start: f64, length: f64, end: f64| (start + length).min(end) - start.clamp(0.0, end);
    let inside = clipped(row.x, row.w, width).max(0.0) * clipped(row.y, row.h, height).max(0.0);
    HeatmapInBox {
        area: area(rect),
        area_share: inside / (width * height),
        heat_share: map.share(rect),
        hit: map.peak().is_some_and(|[x, y]| rect.holds(x, y)),
    }
}

fn area(Rect { x, y, w, h }: Rect) -> Area {
    Area { x, y, w, h }
}

/// A requested image.
struct Image {
    name: String,
    bytes: Vec<u8>,
    known: KnownFile,
}

impl Image {
    /// Finds a file, or the image of the data set with that name. A file with the bytes of an image of the data
    /// set is that image.
    fn find(
        run_context: RunContext,
        manifest: &Manifest,
        text: &OsStr,
        model: &Model,
        given: &GivenMeta,
    ) -> Result<Self, RunError> {
        let (path, images) = (Path::new(text), KnownImages::of(manifest));
        let bytes = if path.exists() {
            files::read(path)?
        } else {
            let unknown = || RunError::NoSuchImage(text.to_string_lossy().into_owned());
            let row = text.to_str().and_then(|text| manifest.row_named(text)).ok_or_else(unknown)?;
            refuse_rows(run_context.policy(), manifest, &[row as u32], true)?;
            let object = manifest.rows[row].object.ok_or_else(unknown)?;
            run_context.registry.store().read(&object)?
        };
        let known = images.identify(path, Hash::of(&bytes), model, given)?;
        let of_file = || path.file_name().unwrap_or(text).to_string_lossy().into_owned();
        let name = known.row.map_or_else(of_file, |row| manifest.rows[row].name.to_string());
        Ok(Image { name, bytes, known })
    }
}

/// The result of Grad-CAM for an image and a label.
struct LogitAndMap {
    logit: f64,
    /// The cells of the map, row after row.
    cells: Vec<f64>,
}

/// The image below a heat map.
struct DecodedImage<'a> {
    name: String,
    object: Id<Blob>,
    /// Its meta features, if they were given.
    meta: Option<MetaFeatures>,
    gray: &'a Gray,
}

/// Runs Grad-CAM for a run.
struct GradcamRunner<'a> {
    run_context: RunContext<'a>,
    network: TrainedNetwork,
    context: TrainInputs,
    image: ImageInput,
    device: Device,
    computed: Computed,
}

impl<'a> GradcamRunner<'a> {
    fn new(run_context: RunContext<'a>, run: Id<Run>, device: Option<Device>) -> Result<Self, RunError> {
        let network = TrainedNetwork::of(run_context.registry, run)?;
        let spec = &network.spec;
        let Some(image) = spec.model.architecture.image().cloned() else {
            return Err(RunError::SeesNoImage(spec.model.name.clone()));
        };
        let context = TrainInputs::load(run_context.registry, spec)?;
        let device = device.unwrap_or_else(|| Device::of(spec.device));
        let numerics = run_context.worker.identity().numerics();
        let computed = Computed { device: device.kind, threads: spec.threads, numerics };
        Ok(GradcamRunner { run_context, network, context, image, device, computed })
    }

    /// Computes the logit of each image's label and the cells of its map.
    fn look(
        &self,
        images: GradcamImages,
        labels: Vec<u32>,
        listener: &mut dyn Listener,
    ) -> Result<(Vec<LogitAndMap>, Worked), RunError> {
        let RunContext { registry, worker, .. } = self.run_context;
        let out = registry.store().scratch()?;
        let count = labels.len();
        let job = Job {
            protocol: PROTOCOL,
            objects: registry.store().objects().to_owned(),
            out: out.path().to_owned(),
            cache: None,
            device: self.device.name.clone(),
            threads: self.network.spec.threads,
            labels: self.context.dataset.labels.len() as u32,
            age: self.context.dataset.age,
            work: Work::Gradcam {
                model: self.network.spec.model.clone(),
                checkpoint: self.network.checkpoint,
                numbers: numbers(&self.network.spec, self.device.kind),
                images,
                labels,
            },
        };
        let worked = worker.run(&job, listener)?;
        let scores = read_columns(out.dir(), outputs::SCORES, count)?;
        let cells = scores.labels as usize - 1;
        if scores.rows.len() != count || cells == 0 || cells.isqrt().pow(2) != cells {
            let reason = format!(
                "{} of {cells} cells for {}",
                counted(scores.rows.len() as u64, "row"),
                counted(count as u64, "image")
            );
            let path = out.path().join(outputs::SCORES);
            return Err(RunError::BadScores { path, reason });
        }
        let rows = scores.scores.chunks_exact(cells + 1);
        Ok((rows.map(|row| LogitAndMap { logit: row[0], cells: row[1..].to_vec() }).collect(), worked))
    }

    /// A map in its position on an image: on the centre that the evaluation crops from the resized image.
    fn map(&self, cells: Vec<f64>, image: [u32; 2]) -> HeatmapGrid {
        let ImageInput { input, resize, .. } = self.image;
        let [resize, input, offset] = [resize, input, (resize - input) / 2].map(f64::from);
        let [width, height] = image.map(f64::from);
        let over = Rect {
            x: offset / resize * width,
            y: offset / resize * height,
            w: input / resize * width,
            h: input / resize * height,
        };
        HeatmapGrid { side: cells.len().isqrt(), cells, over, image }
    }

    /// The boxes for these images and labels.
    fn boxes(&self, wanted: &[(u32, u32)]) -> Result<Vec<BoxRow>, RunError> {
        let Some(boxes) = self.run_context.registry.boxes(&self.context.dataset)? else {
            return Ok(Vec::new());
        };
        let mut rows = boxes.rows;
        rows.retain(|row| wanted.contains(&(row.image, row.label)));
        Ok(rows)
    }

    /// The record of a map, with its picture.
    fn heatmap(
        &self,
        transaction: &Transaction,
        run: Id<Run>,
        image: DecodedImage,
        label: &str,
        seen: LogitAndMap,
        boxes: &[BoxRow],
    ) -> Result<(Heatmap, Vec<u8>), RunError> {
        let DecodedImage { name, object, meta, gray } = image;
        let LogitAndMap { logit, cells } = seen;
        let size = [gray.width, gray.height];
        let map = self.map(cells, size);
        let boxes: Vec<HeatmapInBox> = boxes.iter().map(|row| in_box(&map, row)).collect();
        let frames: Vec<[f64; 4]> =
            boxes.iter().map(|HeatmapInBox { area, .. }| [area.x, area.y, area.w, area.h]).collect();
        let picture = overlay::paint(gray, &map.pixels(), &frames);
        let heatmap = Heatmap {
            run,
            image: name,
            object,
            meta,
            size,
            label: label.to_owned(),
            logit,
            map: map.cells.chunks_exact(map.side).map(<[f64]>::to_vec).collect(),
            over: area(map.over),
            boxes,
            picture: transaction.put_blob(&picture)?,
            computed: self.computed.clone(),
            rules: rules::HEAT,
        };
        Ok((heatmap, picture))
    }

    /// Records the tables of one computation.
    fn record(
        &self,
        mut transaction: Transaction,
        tables: &[Table],
        (worked, start): (&Worked, &ExecutionStart),
    ) -> Result<Vec<Id<Table>>, RunError> {
        let RunContext { worker, environment, .. } = self.run_context;
        let software = put_software(&mut transaction, worker.identity())?;
        let mut ids = Vec::new();
        for table in tables {
            let id = transaction.put(table)?;
            transaction.put(&execution(id.hash, (worker, software), worked, start, environment))?;
            ids.push(id);
        }
        transaction.commit(&environment.stamp)?;
        Ok(ids)
    }
}
