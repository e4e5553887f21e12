//! All withdrawals that a registry knows, collected at once.
//!
//! They are few and nothing links to them, so all are read each time. A withdrawal of a patient or an image
//! also covers images that are added later: another image of the patient, the same image under another name.

use std::collections::{HashMap, HashSet};

use crate::disk::Dir;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::limits;
use crate::records::{ImageRow, Kind, Manifest, PatientId, Subject, Withdrawal};
use crate::registry::survey::Survey;
use crate::registry::{Registry, RegistryError};

/// All withdrawals of a registry.
#[derive(Debug, Default)]
pub struct Withdrawn {
    records: Vec<(Id<Withdrawal>, Withdrawal)>,
    patients: HashMap<PatientId, usize>,
    names: HashMap<String, usize>,
    objects: HashMap<Hash, usize>,
    purged: HashMap<Hash, usize>,
    /// Purged objects, also if the withdrawal was revoked later.
    gone: HashMap<Hash, usize>,
    revoked: HashSet<Hash>,
}

/// All withdrawals in the index, oldest first.
///
/// # Errors
/// Among others, a damaged withdrawal: the images that it covers must not be used by accident.
pub fn withdrawals(
    registry: &Registry,
    view: &View,
) -> Result<Vec<(Id<Withdrawal>, Withdrawal)>, RegistryError> {
    let ids = view.of_kind(Kind::Withdrawal)?.into_iter().map(Id::new);
    ids.map(|id| Ok((id, registry.get(id)?))).collect()
}

impl Withdrawn {
    /// Collects the withdrawals in the index of a registry.
    pub fn known(registry: &Registry, view: &View) -> Result<Self, RegistryError> {
        Ok(Withdrawn::of(withdrawals(registry, view)?))
    }

    /// Collects those among surveyed objects, whether the index knows them or not.
    pub fn surveyed(registry: &Registry, survey: &Survey) -> Result<Self, RegistryError> {
        Ok(Withdrawn::of(registry.surveyed_withdrawals(survey)?))
    }

    /// Collects withdrawals, oldest first.
    pub fn of(records: Vec<(Id<Withdrawal>, Withdrawal)>) -> Self {
        let revoked = records.iter().filter_map(|(_, record)| record.revokes).map(|id| id.hash).collect();
        let mut withdrawn = Withdrawn { revoked, ..Withdrawn::default() };
        for (place, (id, record)) in records.iter().enumerate().filter(|(_, (_, r))| r.revokes.is_none()) {
            if record.purge {
                withdrawn.gone.extend(record.objects().map(|object| (object, place)));
            }
            if withdrawn.revoked.contains(&id.hash) {
                continue;
            }
            match &record.subject {
                Subject::Patient { patient } => drop(withdrawn.patients.insert(patient.clone(), place)),
                Subject::Image { name } => drop(withdrawn.names.insert(name.clone(), place)),
            }
            withdrawn.objects.extend(record.files().map(|object| (object, place)));
            if record.purge {
                withdrawn.purged.extend(record.objects().map(|object| (object, place)));
            }
        }
        withdrawn.records = records;
        withdrawn
    }

    /// Whether nothing is withdrawn.
    pub fn is_empty(&self) -> bool {
        self.patients.is_empty() && self.names.is_empty()
    }

    /// Number of withdrawals, including revocations.
    pub fn count(&self) -> u64 {
        self.records.len() as u64
    }

    /// The withdrawals that are in force, oldest first.
    pub fn holding(&self) -> impl Iterator<Item = &(Id<Withdrawal>, Withdrawal)> {
        self.records
            .iter()
            .filter(|(id, record)| record.revokes.is_none() && !self.revoked.contains(&id.hash))
    }

    /// The withdrawal that covers an image with this name, patient and file.
    pub fn of_row(&self, row: &ImageRow) -> Option<&(Id<Withdrawal>, Withdrawal)> {
        let by_file = || row.object.as_ref().and_then(|object| self.objects.get(object));
        let place =
            self.patients.get(&row.patient).or_else(|| self.names.get(row.name.as_str())).or_else(by_file);
        place.map(|place| &self.records[*place])
    }

    /// The withdrawal that covers this image file.
    pub fn of_file(&self, object: &Hash) -> Option<&(Id<Withdrawal>, Withdrawal)> {
        self.objects.get(object).map(|place| &self.records[*place])
    }

    /// The withdrawn rows of a manifest, ascending.
    pub fn rows(&self, manifest: &Manifest) -> Vec<u32> {
        let rows = (0..).zip(&manifest.rows);
        rows.filter(|(_, row)| self.of_row(row).is_some()).map(|(place, _)| place).collect()
    }

    /// The withdrawn rows of the manifest with this id, ascending.
    ///
    /// Every list needs this for every data set, and reading a manifest of 112,120 images takes a sixth of a
    /// second. So the result is stored in the cache, with a hash over the result and everything from which it
    /// follows. A registry that is not writable computes it each time.
    pub fn rows_of(&self, registry: &Registry, manifest: Id<Manifest>) -> Result<Vec<u32>, RegistryError> {
        let name = manifest.hash.to_string();
        let note = |folder: &Dir| String::from_utf8(folder.read(&name, limits::PURGE_NOTE).ok()?).ok();
        let folder = registry.cache_folder("withdrawn").ok();
        if let Some(rows) = folder.as_ref().and_then(note).and_then(|note| self.noted(&note, manifest)) {
            return Ok(rows);
        }
        let rows = self.rows(&registry.packed_alone(manifest)?);
        let numbers: Vec<String> = rows.iter().map(u32::to_string).collect();
        let numbers = numbers.join(" ");
        let note = format!("{}\n{numbers}", self.stands_for(&numbers, manifest));
        let _ = folder.map(|folder| folder.replace(&name, note.as_bytes()));
        Ok(rows)
    }

    /// The rows in a cache entry, if the entry is intact and belongs to this manifest and these withdrawals.
    fn noted(&self, note: &str, manifest: Id<Manifest>) -> Option<Vec<u32>> {
        let (hash, numbers) = note.split_once('\n')?;
        if hash != self.stands_for(numbers, manifest).to_string() {
            return None;
        }
        numbers.split_whitespace().map(|number| number.parse().ok()).collect()
    }

    fn stands_for(&self, numbers: &str, manifest: Id<Manifest>) -> Hash {
        let mut all: Vec<String> = self.records.iter().map(|(id, _)| id.to_string()).collect();
        all.sort_unstable();
        Hash::of(format!("{manifest}\n{}\n{numbers}", all.join(" ")).as_bytes())
    }

    /// Whether an object must not be present: its purge was recorded.
    pub fn is_purged(&self, object: &Hash) -> bool {
        self.purged.contains_key(object)
    }

    /// The withdrawal that purged an object.
    pub fn gone(&self, object: &Hash) -> Option<&(Id<Withdrawal>, Withdrawal)> {
        self.gone.get(object).map(|place| &self.records[*place])
    }

    /// All objects that must not be present.
    pub fn purged(&self) -> impl Iterator<Item = &Hash> {
        self.purged.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Mention, Sha256};
    use crate::records::{Gender, LabelValues, ViewPosition, WithdrawnImage};

    fn row(name: &str, patient: u32, file: Option<&[u8]>) -> ImageRow {
        ImageRow {
            name: name.parse().unwrap(),
            object: file.map(Hash::of),
            sha256: Sha256([0; 32]),
            bytes: 0,
            width: 0,
            height: 0,
            row: 1,
            patient: patient.into(),
            study: None,
            follow_up: None,
            age: None,
            gender: Gender::Unknown,
            view: ViewPosition::Unknown,
            labels: LabelValues::negative(1),
        }
    }

    fn withdrawal(
        number: u64,
        subject: Subject,
        file: Option<&[u8]>,
        purge: bool,
    ) -> (Id<Withdrawal>, Withdrawal) {
        let image = WithdrawnImage {
            name: "a.png".to_owned(),
            patient: 13.into(),
            blake3: file.map(|file| Mention(Hash::of(file))),
            sha256: None,
            bytes: 0,
        };
        let record = Withdrawal {
            subject,
            number,
            reason: "r".to_owned(),
            time: "2026-11-05T08:30:00Z".to_owned(),
            host: "h".to_owned(),
            command: "c".to_owned(),
            images: vec![image],
            pictures: Vec::new(),
            purge,
            revokes: None,
        };
        (Id::new(Hash::of(&number.to_le_bytes())), record)
    }

    #[test]
    fn a_patient_is_withdrawn_with_what_comes_later_and_a_file_under_every_name() {
        let patient = withdrawal(0, Subject::Patient { patient: 13.into() }, Some(b"x"), false);
        let withdrawn = Withdrawn::of(vec![patient]);
        assert!(withdrawn.of_row(&row("new.png", 13, Some(b"new"))).is_some());
        assert!(withdrawn.of_row(&row("other.png", 14, Some(b"x"))).is_some(), "the same picture");
        assert!(withdrawn.of_row(&row("a.png", 14, None)).is_none(), "another patient's");
        let image = withdrawal(1, Subject::Image { name: "a.png".to_owned() }, None, false);
        let withdrawn = Withdrawn::of(vec![image]);
        assert!(withdrawn.of_row(&row("a.png", 14, Some(b"again"))).is_some());
        assert!(withdrawn.of_row(&row("b.png", 13, Some(b"x"))).is_none());
    }

    #[test]
    fn what_was_taken_back_holds_no_more_and_what_was_purged_stays_excused() {
        let purged = withdrawal(0, Subject::Patient { patient: 13.into() }, Some(b"x"), true);
        let mut back = withdrawal(1, Subject::Patient { patient: 13.into() }, None, false);
        back.1.images.clear();
        back.1.revokes = Some(purged.0);
        let file = Hash::of(b"x");
        let holds = Withdrawn::of(vec![purged.clone()]);
        assert!(holds.is_purged(&file) && holds.gone(&file).is_some());
        let withdrawn = Withdrawn::of(vec![purged, back]);
        assert!(withdrawn.is_empty() && withdrawn.of_file(&file).is_none());
        assert!(!withdrawn.is_purged(&file), "it may come back");
        assert!(withdrawn.gone(&file).is_some(), "and need not");
    }
}
