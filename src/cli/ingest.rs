//! `reg ingest`.

use std::path::PathBuf;

use clap::ValueEnum;
use reg::dataset::ingest::{IngestRequest, ingest};
use reg::limits;
use reg::report::thousands;
use reg::store::LinkMode;
use serde_json::json;

use super::error::Failure;
use super::output::{Reply, plural};
use super::{Context, Moving};

/// Import images and their metadata as a data set
#[derive(clap::Args)]
pub(crate) struct IngestArgs {
    /// Folders of PNGs and JPEGs (at any depth; links are followed), single images, or archives: tar, plain
    /// or compressed (images_001.tar.gz, .xz, .zst), and zip
    #[arg(value_name = "PATH", required_unless_present = "metadata_only")]
    paths: Vec<PathBuf>,
    /// The metadata (Data_Entry_2017.csv or Data_Entry_2017_v2020.csv), plain or .gz
    #[arg(long, value_name = "CSV")]
    metadata: PathBuf,
    /// The box list (BBox_List_2017.csv), plain or .gz
    #[arg(long, value_name = "CSV")]
    boxes: Option<PathBuf>,
    /// Width and height of the images that the box list refers to; boxes are scaled to the imported images. `image`:
    /// the boxes are in pixels of the imported images
    #[arg(long, value_name = "WxH", default_value = "1024x1024", requires = "boxes", value_parser = box_size)]
    box_size: BoxSize,
    /// Name of the data set
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    moving: Moving,
    /// How image files become objects: `reflink` falls back to a copy where the file system cannot share blocks;
    /// `hardlink` makes the source files read-only
    #[arg(long, value_enum, default_value = "reflink")]
    link: LinkArg,
    /// Continue when rows of the metadata have no image
    #[arg(long)]
    allow_missing: bool,
    /// Register the metadata without images
    #[arg(long, conflicts_with_all = ["paths", "link", "allow_missing", "check"])]
    metadata_only: bool,
    /// How thoroughly images are checked: `structure` reads the chunks of each PNG and their checksums, and the
    /// segments of each JPEG, `full` also decodes the pixels
    #[arg(long, value_enum, default_value = "structure")]
    check: Check,
    /// Read every file again, even if its size, time and inode are unchanged since it was last read
    #[arg(long, conflicts_with = "metadata_only")]
    paranoid: bool,
}

/// The size that a box list refers to; none for the images' own.
#[derive(Debug, Clone, Copy)]
struct BoxSize(Option<[u32; 2]>);

fn box_size(text: &str) -> Result<BoxSize, String> {
    if text == "image" {
        return Ok(BoxSize(None));
    }
    let side = |text: &str| text.parse().ok().filter(|side| (1..=limits::IMAGE_SIDE).contains(side));
    let sides = text.split_once('x').and_then(|(width, height)| Some([side(width)?, side(height)?]));
    sides
        .map(|sides| BoxSize(Some(sides)))
        .ok_or_else(|| "expected WIDTHxHEIGHT in pixels, such as 1024x1024, or `image`".to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LinkArg {
    Copy,
    Reflink,
    Hardlink,
}

impl From<LinkArg> for LinkMode {
    fn from(link: LinkArg) -> Self {
        match link {
            LinkArg::Copy => LinkMode::Copy,
            LinkArg::Reflink => LinkMode::Reflink,
            LinkArg::Hardlink => LinkMode::Hardlink,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Check {
    Structure,
    Full,
}

pub(crate) fn run(context: &Context, args: IngestArgs) -> Result<Reply, Failure> {
    let registry = context.registry_to_name(&args.moving)?;
    let request = IngestRequest {
        paths: args.paths,
        metadata: args.metadata,
        box_size: args.box_size.0,
        boxes: args.boxes,
        name: args.name,
        link: args.link.into(),
        allow_missing: args.allow_missing,
        metadata_only: args.metadata_only,
        decode: args.check == Check::Full,
        paranoid: args.paranoid,
    };
    let ingested = ingest(&registry, &request, &context.environment.stamp, &context.progress())?;
    for finding in &ingested.findings {
        context.note(&format!("note: {finding}"));
    }
    let dataset = &ingested.dataset;
    let what = match dataset.metadata_only {
        true => plural(dataset.images as usize, "row") + " of metadata",
        false => plural(dataset.images as usize, "image"),
    };
    let mut text = format!(
        "data set {}{}\n{what} of {}, {}; {}",
        ingested.id.hash.short(),
        request.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default(),
        plural(dataset.patients as usize, "patient"),
        plural(dataset.bytes as usize, "byte"),
        plural(ingested.persisted.objects as usize, "new object"),
    );
    if ingested.unchanged > 0 {
        let said = match ingested.unchanged {
            1 => "1 file looks unchanged and was not read again (--paranoid reads it)".to_owned(),
            many => format!(
                "{} files look unchanged and were not read again (--paranoid reads them)",
                thousands(many)
            ),
        };
        context.note(&format!("note: {said}"));
    }
    if dataset.missing > 0 {
        let have = if dataset.missing == 1 { "has" } else { "have" };
        let rows = plural(dataset.missing as usize, "row");
        text += &format!("; {rows} of the metadata {have} no image");
    }
    if let Some(withdrawn) = dataset.withdrawn {
        let rows = plural(withdrawn as usize, "row");
        text += &format!("; {rows} left out as withdrawn");
    }
    if ingested.persisted.linked > 0 {
        text += &match ingested.persisted.linked {
            1 => "\n1 image file is now a hard link to an object of the registry, and read-only".to_owned(),
            many => format!(
                "\n{} image files are now hard links to objects of the registry, and read-only",
                thousands(many)
            ),
        };
    } else if request.link == LinkMode::Hardlink {
        text += "\nno file was linked: every image was in the registry already or came from an archive";
    }
    let json = json!({
        "id": ingested.id,
        "images": dataset.images,
        "patients": dataset.patients,
        "bytes": dataset.bytes,
        "new_objects": ingested.persisted.objects,
        "unchanged": ingested.unchanged,
        "missing": dataset.missing,
        "withdrawn": dataset.withdrawn.unwrap_or(0),
        "findings": ingested.findings,
    });
    Ok(Reply::new(text, json))
}
