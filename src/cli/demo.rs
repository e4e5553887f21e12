//! `reg demo`: the whole pipeline on synthetic X-rays.

use std::path::PathBuf;

use reg::compare::{CompareOptions as Comparing, Input, compare};
use reg::dataset::ingest::{IngestRequest, ingest};
use reg::dataset::statistics::Statistics;
use reg::dataset::synthetic::{self, SyntheticOptions};
use reg::digits::counted;
use reg::escape::shell_os;
use reg::lineage::{Direction, trace, verify};
use reg::records::{Init, SplitMethod, Table};
use reg::registry::Registry;
use reg::report::{dataset as report, lineage::tree, results};
use reg::split;
use reg::store::LinkMode;
use reg::training::config::{Overrides, resolve};
use reg::training::process::Worker;
use reg::training::{Device, TrainRequest, train};
use serde_json::json;

use super::Context;
use super::environment::default_threads;
use super::error::Failure;
use super::output::{Reply, TableFormat, print_line, width};
use super::verify::describe;

/// Generate synthetic X-rays, run the whole pipeline on them, and show tables and a lineage
#[derive(clap::Args)]
pub(crate) struct DemoArgs {
    /// Folder for the images and the registry
    #[arg(default_value = "reg-demo")]
    dir: PathBuf,
    /// Number of patients to generate
    #[arg(long, default_value_t = 400)]
    patients: u32,
}

const FOLDS: u32 = 3;
const SEED: u64 = 1;
/// Pixels per side: small files that are still larger than the network's input.
const SIZE: u32 = 128;

pub(crate) fn run(context: &Context, args: DemoArgs) -> Result<Reply, Failure> {
    let json = context.global.json;
    let say = |text: &str| match json {
        true => Ok(true),
        // The reader of a pipe may have closed it.
        false => print_line(text.trim_end()),
    };
    let worker = Worker::find()?;
    let registry = Registry::init(&args.dir)?;
    let stamp = &context.environment.stamp;

    let xrays = args.dir.join("xrays");
    say(&format!("\n# Synthetic X-rays in {}", xrays.display()))?;
    let drawn =
        synthetic::generate(&xrays, &SyntheticOptions { patients: args.patients, size: SIZE, seed: SEED })?;
    say(&format!(
        "{} of {}",
        counted(drawn.images.into(), "image"),
        counted(drawn.patients.into(), "patient")
    ))?;

    say("\n# reg ingest, reg dataset stats")?;
    let request = IngestRequest {
        box_size: Some(reg::dataset::boxes::PUBLISHED_SIZE),
        paths: vec![xrays.join(synthetic::IMAGES)],
        metadata: xrays.join(synthetic::METADATA),
        boxes: Some(xrays.join(synthetic::BOXES)),
        name: Some("demo".to_owned()),
        link: LinkMode::Reflink,
        allow_missing: false,
        metadata_only: false,
        paranoid: false,
        decode: true,
    };
    let ingested = ingest(&registry, &request, stamp, &context.progress())?;
    let manifest = registry.manifest(&ingested.dataset)?;
    let statistics = Statistics::of(&ingested.dataset, manifest.rows.iter());
    say(&TableFormat::Text.render(&[report::prevalence(&statistics)]))?;
    say(&report::age_histogram(&statistics, width().unwrap_or(80)))?;

    say("\n# reg split make: by patient, 70/10/20")?;
    let method = SplitMethod::Resample { seed: SEED, ratios: [70, 10, 20] };
    let split = split::make(&registry, ingested.id, method, FOLDS, Some("demo-split"), stamp)?;
    say(&TableFormat::Text.render(&[report::split_sizes(&split.split)]))?;

    let mut runs = Vec::new();
    for model in ["tiny", "tiny-meta", "mlp"] {
        for fold in 0..FOLDS {
            // By default, `mlp` would learn nothing for 40 epochs, in batches larger than the training subset.
            let set = if model == "mlp" { &["early_stop=5", "batch=64"][..] } else { &[] };
            let shown: String = set.iter().map(|pair| format!(" --set {pair}")).collect();
            say(&format!("\n# reg train --model {model} --fold {fold}{shown}"))?;
            let set = set.iter().map(|pair| (*pair).to_owned()).collect();
            let overrides = Overrides { model: model.to_owned(), set, ..Overrides::default() };
            let (model, training) = resolve(&overrides)?;
            let threads = default_threads(&model);
            let request = TrainRequest {
                dataset: ingested.id,
                split: split.id,
                fold,
                model,
                training,
                init: Init::Scratch,
                weights: None,
                seed: SEED,
                threads,
                device: Device::cpu(),
                save_every: 300.0,
                name: None,
            };
            let trained = train(context.run_context(&registry, &worker), &request, &mut context.watch())?;
            let mean = trained.test.auc.mean.map_or("n/a".to_owned(), |mean| format!("{mean:.4}"));
            let over = trained.test.auc.mean_over;
            say(&format!("run {}: mean AUC {mean} over {over} labels of the test images", trained.name))?;
            runs.push(trained.run);
        }
    }

    say("\n# reg compare")?;
    let view = registry.view()?;
    let inputs = runs.iter().map(|run| Input::resolve(&registry, &view, &run.to_string()));
    let inputs = inputs.collect::<Result<_, _>>()?;
    drop(view);
    let (table, comparison) = compare(&registry, inputs, &Comparing::default(), Some("demo-table"), stamp)?;
    say(&TableFormat::Text.render(&results::main_tables(&comparison)))?;
    say(
        "`mlp` sees only age, gender and view, which say nothing about the drawn findings: its AUCs scatter around 0.5.",
    )?;

    say("\n# reg trace: the lineage of one run's test AUCs")?;
    let view = registry.view()?;
    let tables = registry.referring::<Table>(&view, &comparison.models[0].predictions[0].hash)?;
    if let Some((id, _)) = tables.iter().find(|(_, table)| matches!(table, Table::Auc(_))) {
        let graph = trace(&registry, &view, id.hash, Direction::Up)?;
        say(&tree(&graph, Direction::Up, false))?;
    }

    say("\n# reg verify")?;
    say(&describe(&verify(&registry, &context.progress())?, 0))?;
    // As it was started, which works again in the same folder.
    let program = std::env::args_os().next().unwrap_or_else(|| "reg".into());
    say(&format!(
        "\nThe registry is {}; try `{} --registry {} list run`.",
        registry.root().display(),
        shell_os(program),
        shell_os(&args.dir)
    ))?;
    Ok(Reply::new("", json!({ "dataset": ingested.id, "split": split.id, "runs": runs, "table": table })))
}
