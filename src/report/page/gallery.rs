//! Recorded heat maps of `reg gradcam`, drawn small from image and map.

use maud::{Markup, html};

use super::gather::Material;
use super::html::{HtmlWriter, data};
use super::withheld;
use crate::dataset::{overlay, pixels};
use crate::hash::Hash;
use crate::records::{Heatmap, Scale};
use crate::registry::Registry;
use crate::stats::{HeatmapGrid, Rect};

/// Length of the shorter side of a picture in pixels.
const SIDE: u32 = 240;
/// Maximum number of heat maps; a page with all recorded maps could be too large to open.
const SHOWN: usize = 24;

/// Shows each heat map next to its image, both with the annotated boxes.
pub(super) fn gallery(page: &mut HtmlWriter, material: &Material, registry: &Registry) {
    page.heading(2, "gallery", "Grad-CAM heat maps");
    if material.heatmaps.is_empty() {
        page.paragraph(
            "",
            "No heat map of these runs is recorded. Compute one with `reg gradcam RUN IMAGE --label L -o OUT.png`; the next report shows it.",
        );
        return;
    }
    page.paragraph(
        "",
        "Grad-CAM of the last convolutional layer. Left: the image with its annotated boxes. Right: the heat map on top. Each map has its own scale.",
    );
    let each = html! {
        div.gallery {
            @for (id, heatmap) in material.heatmaps.iter().take(SHOWN) { (pair(page, material, registry, id, heatmap)) }
        }
    };
    page.push(each);
    if material.heatmaps.len() > SHOWN {
        let more = material.heatmaps.len() - SHOWN;
        page.paragraph("notes", &format!("{more} more heat maps are recorded; `reg list table` lists them."));
    }
}

fn pair(page: &HtmlWriter, material: &Material, registry: &Registry, id: &Hash, heatmap: &Heatmap) -> Markup {
    let run = material.runs.iter().find(|run| run.id == heatmap.run).map_or("?", |run| run.name.as_str());
    let probability = Scale::Logit.probability(heatmap.logit);
    let about = format!("{} in {}, {run}: probability {probability:.3}", heatmap.label, heatmap.image);
    let boxes = match heatmap.boxes.as_slice() {
        // A map of zeros has no maximum.
        _ if heatmap.map.iter().flatten().all(|heatmap| *heatmap == 0.0) => {
            "The heat map is zero: no region supports the label.".to_owned()
        }
        [] => "No annotated box.".to_owned(),
        boxes => {
            let hits = boxes.iter().filter(|area| area.hit).count();
            format!("The maximum is inside {hits} of {} annotated boxes.", boxes.len())
        }
    };
    // If the withdrawals cannot be read, the image is not shown.
    let withheld = withheld(registry, &heatmap.object.hash).unwrap_or_else(|e| Some(e.to_string()));
    html! {
        figure {
            @match pictures(registry, heatmap).filter(|_| withheld.is_none()) {
                Some(pictures) => {
                    div.pair {
                        @for (picture, what) in pictures.iter().zip(["X-ray", "Heat map on the X-ray"]) {
                            img alt={ (what) ": " (about) ". " (boxes) } src=(data("image/png", picture));
                        }
                    }
                }
                None => {
                    p.warning { (withheld.as_deref().unwrap_or("The image cannot be read.")) }
                }
            }
            figcaption {
                b { (heatmap.label) } " in " (heatmap.image) ". " (run) ", probability " (format!("{probability:.3}")) ". "
                (boxes) " "
                span.from { "From " (page.id(id)) " " (page.id(&heatmap.run.hash)) }
            }
        }
    }
}

/// Image and heat map as PNG; `None` if the image is missing or damaged.
fn pictures(registry: &Registry, heatmap: &Heatmap) -> Option<[Vec<u8>; 2]> {
    let bytes = registry.store().read(&heatmap.object.hash).ok()?;
    let gray = pixels::shrunk(pixels::decode(&bytes).ok()?, SIDE);
    let scale =
        [0, 1].map(|axis| f64::from([gray.width, gray.height][axis]) / f64::from(heatmap.size[axis].max(1)));
    let scaled = |x: f64, y: f64, w: f64, h: f64| [x * scale[0], y * scale[1], w * scale[0], h * scale[1]];
    let boxes: Vec<[f64; 4]> =
        heatmap.boxes.iter().map(|of| scaled(of.area.x, of.area.y, of.area.w, of.area.h)).collect();
    let [x, y, w, h] = scaled(heatmap.over.x, heatmap.over.y, heatmap.over.w, heatmap.over.h);
    let side = heatmap.map.len();
    let cells: Vec<f64> = heatmap.map.concat();
    if side == 0 || cells.len() != side * side {
        return None;
    }
    let map = HeatmapGrid { cells, side, over: Rect { x, y, w, h }, image: [gray.width, gray.height] };
    let cold = vec![0.0; gray.data.len()];
    Some([overlay::paint(&gray, &cold, &boxes), overlay::paint(&gray, &map.pixels(), &boxes)])
}
