//! The bytes of pictures: an image as it is, its thumbnail, a heat map over it.

use super::answer::{Answer, Nothing};
use super::site::{ImageSet, Site, THUMBNAIL};
use crate::dataset::formats::ImageFormat;
use crate::dataset::pixels::Gray;
use crate::dataset::{formats, overlay, pixels};
use crate::hash::{Hash, Id};
use crate::records::{Heatmap, ImageRow, Table};
use crate::registry::{Registry, RegistryError};
use crate::report::page::withheld;
use crate::stats::{HeatmapGrid, Rect};

/// The row of an image by its place in a manifest.
pub(super) fn row<'m>(images: &'m ImageSet, place: &str) -> Result<(usize, &'m ImageRow), Nothing> {
    let found = place.parse::<usize>().ok().and_then(|place| Some((place, images.manifest.rows.get(place)?)));
    found.ok_or_else(|| Nothing::Unknown(format!("image {place}")))
}

/// The object of a row, if it may be shown.
fn shown(registry: &Registry, row: &ImageRow, place: &str) -> Result<Hash, Nothing> {
    let object = row.object.ok_or_else(|| Nothing::Unknown(format!("image {place}")))?;
    match withheld(registry, &object)? {
        Some(why) => Err(Nothing::Unknown(format!("image {place}: {why}"))),
        None => Ok(object),
    }
}

/// The bytes of an image in a row of a manifest, only if they are an image.
pub(super) fn xray(site: &Site, id: Hash, place: &str) -> Result<Answer, Nothing> {
    let images = site.images(id)?;
    let (_, row) = row(&images, place)?;
    let object = shown(&site.registry, row, place)?;
    let bytes = site.registry.store().read(&object).map_err(RegistryError::from)?;
    match formats::check(&bytes) {
        Ok(info) => Ok(Answer::image(info.format, bytes)),
        Err(_) => Err(Nothing::Unknown(format!("image in {object}"))),
    }
}

/// The thumbnail of an image: from the cache of pixels, into which it is put where it is not there yet.
pub(super) fn thumbnail(site: &Site, id: Hash, place: &str) -> Result<Answer, Nothing> {
    let images = site.images(id)?;
    let (number, row) = row(&images, place)?;
    let object = shown(&site.registry, row, place)?;
    let cache = site.thumbnails(&images);
    let cache = cache.as_ref();
    let gray = match cache.and_then(|cache| cache.get(number, row, &object)) {
        Some(gray) => gray,
        None => {
            let bytes = site.registry.store().read(&object).map_err(RegistryError::from)?;
            let decoded =
                pixels::decode(&bytes).map_err(|_| Nothing::Unknown(format!("image in {object}")))?;
            let gray = pixels::shrunk(decoded, THUMBNAIL);
            // Without room, or in a registry of somebody else, it is made for each request.
            let _ = cache.map(|cache| cache.put(number, row, &object, &gray));
            gray
        }
    };
    Ok(Answer::image(ImageFormat::Png, pixels::encode_png(&gray)))
}

/// An image with the colours of a recorded heat map, without boxes.
pub(super) fn heatmap(registry: &Registry, id: Hash) -> Result<Answer, Nothing> {
    let unknown = || Nothing::Unknown(format!("heat map {id}"));
    let kind = registry.view()?.kind(&id)?;
    let heatmap = match kind.map(|_| registry.get::<Table>(Id::new(id))) {
        Some(Ok(Table::Heatmap(heatmap))) => heatmap,
        _ => return Err(unknown()),
    };
    if withheld(registry, &heatmap.object.hash)?.is_some() {
        return Err(unknown());
    }
    let bytes = registry.store().read(&heatmap.object.hash).map_err(RegistryError::from)?;
    let gray = pixels::decode(&bytes).map_err(|_| unknown())?;
    let heat = heat(&heatmap, &gray).ok_or_else(unknown)?;
    Ok(Answer::image(ImageFormat::Png, overlay::paint(&gray, &heat, &[])))
}

/// The heat of each pixel of an image; none of a map that is not square.
fn heat(heatmap: &Heatmap, gray: &Gray) -> Option<Vec<f64>> {
    let (side, cells) = (heatmap.map.len(), heatmap.map.concat());
    if side == 0 || cells.len() != side * side {
        return None;
    }
    let over = Rect { x: heatmap.over.x, y: heatmap.over.y, w: heatmap.over.w, h: heatmap.over.h };
    Some(HeatmapGrid { cells, side, over, image: [gray.width, gray.height] }.pixels())
}
