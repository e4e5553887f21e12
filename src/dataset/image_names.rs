//! Names of images as other tools write them: with a folder before, without `.png`, or in another case.

use std::collections::HashMap;

use crate::records::Manifest;

/// How a name differs from that of its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spelling {
    /// Not at all.
    Exact,
    /// In folder, ending or case.
    Other,
}

/// The names of a data set's images, found however they are written.
pub struct ImageNames<'m> {
    manifest: &'m Manifest,
    /// Rows by the key of their names; `None` for a key that several images share.
    by_key: HashMap<String, Option<u32>>,
}

impl<'m> ImageNames<'m> {
    /// The names of a manifest.
    pub fn of(manifest: &'m Manifest) -> Self {
        let mut by_key = HashMap::new();
        for (place, row) in (0..).zip(&manifest.rows) {
            by_key.entry(key(&row.name)).and_modify(|known| *known = None).or_insert(Some(place));
        }
        ImageNames { manifest, by_key }
    }

    /// The row of the image with this name; failing that, the only image whose name differs from it in folder, in
    /// `.png` or in case.
    pub fn find(&self, name: &str) -> Option<(u32, Spelling)> {
        match self.manifest.row_named(name) {
            Some(row) => Some((row as u32, Spelling::Exact)),
            None => self.by_key.get(&key(name)).copied().flatten().map(|row| (row, Spelling::Other)),
        }
    }
}

/// The name without folder and `.png`, in lower case.
fn key(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name).to_lowercase();
    file.strip_suffix(".png").map_or(file.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_name_is_found_however_it_is_written_unless_two_images_could_be_meant() {
        let head =
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position";
        let rows = ["B.png", "a.png", "a_b.png", "b.PNG"].map(|name| format!("\n{name},Mass,0,1,1,M,PA"));
        let csv = format!("{head}{}", rows.concat());
        let rows = crate::dataset::metadata::read(csv.as_bytes(), Path::new("d.csv")).unwrap().rows;
        let manifest = Manifest { labels: 15, rows };
        let names = ImageNames::of(&manifest);
        for (name, found) in [
            ("a.png", Some((1, Spelling::Exact))),
            ("images/a.png", Some((1, Spelling::Other))),
            ("C:\\data\\A.PNG", Some((1, Spelling::Other))),
            ("a", Some((1, Spelling::Other))),
            ("A_B", Some((2, Spelling::Other))),
            ("B.png", Some((0, Spelling::Exact))),
            ("b", None),
            ("a.jpg", None),
            ("", None),
        ] {
            assert_eq!(names.find(name), found, "{name}");
        }
    }
}
