//! What feeds a training: images a second of the loader alone, and how many cores a GPU would need.
//!
//! `cargo bench --bench loader [-- FOLDER]` with a folder of PNGs; without one it draws some of 1024 x
//! 1024. Ways are measured in turn, round by round, and compared within a round.

use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use reg::dataset::pixel_cache::{PixelCache, ResizedPixels};
use reg::dataset::pixels::{self, Gray};
use reg::dataset::synthetic;
use reg::disk::Dir;
use reg::hash::{Hash, Id, Sha256};
use reg::random::Stream;
use reg::records::{Augmentation, Gender, ImageRow, LabelValues, ViewPosition};

const ROUNDS: usize = 5;
/// Images a second that a GPU is taken to train on.
const GPU: f64 = 2000.0;
const INPUTS: [u32; 2] = [224, 448];

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let scratch = tempfile::tempdir().expect("a folder for files");
    let folder = folder.unwrap_or_else(|| {
        let options = synthetic::SyntheticOptions { patients: 60, size: 1024, seed: 1 };
        synthetic::generate(scratch.path(), &options).expect("images can be drawn");
        scratch.path().join(synthetic::IMAGES)
    });
    let mut files: Vec<Vec<u8>> = std::fs::read_dir(&folder)
        .expect("a folder of images")
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
        .filter(|bytes| pixels::decode(bytes).is_ok())
        .collect();
    files.sort();
    println!("{} images of {}", files.len(), folder.display());
    let how =
        Augmentation { crop_area: [0.08, 1.0], crop_aspect: [0.75, 4.0 / 3.0], rotation: 7.0, flip: 0.5 };
    let rows: Vec<(ImageRow, Hash)> = files.iter().map(|bytes| row(bytes)).collect();

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for input in INPUTS {
        let side = (f64::from(input) / 0.08f64.sqrt() / 8.0).ceil() as u32 * 8;
        let kept: Vec<(String, ResizedPixels)> = vec![
            (format!("pixels = {side} (default)"), ResizedPixels::Shrunk(side)),
            ("pixels = 512".to_owned(), ResizedPixels::Shrunk(512)),
        ];
        let kept: Vec<(String, PixelCache)> = kept
            .into_iter()
            .map(|(name, resized)| (name, fill(scratch.path(), &files, &rows, resized)))
            .collect();
        println!("\ninput {input} x {input}: images a second, median of {ROUNDS} rounds");
        for threads in [1, cores] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let mut rates = vec![Vec::new(); 1 + kept.len()];
            for round in 0..ROUNDS {
                let view = |index: usize, image: &Gray| {
                    let mut stream = Stream::new("reg bench", round as u64, &[index as u64]);
                    pixels::training_view(image, input, &how, &mut stream).len()
                };
                let mut measure = |way: usize, load: &(dyn Fn(usize) -> Gray + Sync)| {
                    let start = Instant::now();
                    let made: usize = pool.install(|| {
                        (0..files.len()).into_par_iter().map(|index| view(index, &load(index))).sum()
                    });
                    assert_eq!(made, files.len() * (input * input) as usize);
                    rates[way].push(files.len() as f64 / start.elapsed().as_secs_f64());
                };
                measure(0, &|index| pixels::decode(&files[index]).expect("it was decoded before"));
                for (way, (_, kept)) in kept.iter().enumerate() {
                    measure(1 + way, &|index| {
                        let (row, object) = &rows[index];
                        kept.get(index, row, object).expect("it was kept")
                    });
                }
            }
            let names =
                std::iter::once("pixels = original, decoded").chain(kept.iter().map(|(name, _)| &**name));
            let first = rates[0].clone();
            for (name, rates) in names.zip(&rates) {
                let rate = median(rates.clone());
                let ratio = median(rates.iter().zip(&first).map(|(a, b)| a / b).collect());
                println!(
                    "{threads} thread(s)  {name:28} {rate:8.0}   {ratio:5.2} x decoding   16 cores: {:6.0}, {:.1} cores for {GPU}",
                    rate / threads as f64 * 16.0,
                    GPU / (rate / threads as f64)
                );
            }
        }
    }
}

fn row(bytes: &[u8]) -> (ImageRow, Hash) {
    let Gray { width, height, .. } = pixels::decode(bytes).expect("it was decoded before");
    let object = Hash::of(bytes);
    let row = ImageRow {
        name: object.short().parse().unwrap(),
        object: Some(object),
        sha256: Sha256([0; 32]),
        bytes: bytes.len() as u64,
        width,
        height,
        row: 1,
        patient: 1.into(),
        study: None,
        follow_up: None,
        age: None,
        gender: Gender::Unknown,
        view: ViewPosition::Unknown,
        labels: LabelValues::default(),
    };
    (row, object)
}

/// Decodes everything into a cache, and says how fast that was.
fn fill(
    cache: &std::path::Path,
    files: &[Vec<u8>],
    rows: &[(ImageRow, Hash)],
    resized: ResizedPixels,
) -> PixelCache {
    let plain: Vec<ImageRow> = rows.iter().map(|(row, _)| row.clone()).collect();
    let kept =
        PixelCache::open(&Dir::make(cache).expect("a folder"), Id::new(Hash::of(b"bench")), &plain, resized)
            .expect("a cache");
    let start = Instant::now();
    files.par_iter().enumerate().for_each(|(index, bytes)| {
        let image = resized.of(pixels::decode(bytes).expect("it was decoded before"));
        kept.put(index, &rows[index].0, &rows[index].1, &image).expect("room");
    });
    let rate = files.len() as f64 / start.elapsed().as_secs_f64();
    println!(
        "{resized:?}: made at {rate:.0} images a second, {:.1} MB in the cache",
        kept.bytes() as f64 / 1e6
    );
    kept
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
