//! Withdraws data, and finds the results that contain withdrawn data.
//!
//! First the withdrawal is recorded, then, on request, bytes are removed: the same command finishes an interrupted
//! purge, while a purge without a record would look like damage.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use super::Withdrawn;
use crate::digits::thousands;
use crate::hash::{Hash, Id, Mention};
use crate::index::{IndexError, View};
use crate::records::{Dataset, ImageRow, Kind, RecordClass, Subject, Table, Withdrawal, WithdrawnImage};
use crate::registry::walk::is_image_alone;
use crate::registry::{Objects, Purged, Registry, RegistryError, Stamp};
use crate::usage::{Asked, DataUsage, UsageCounts, UsageQuery, datasets, different};

/// Maximum length of a reason in bytes.
const MAX_REASON: usize = 2000;

/// Why something was not withdrawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WithdrawError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No data set has an image of the subject.
    #[error("no data set here has an image of {0}")]
    NotHere(String),
    /// Neither a patient nor an image.
    #[error("`{0}` is neither a patient nor an image")]
    NotAnImage(String),
    /// An empty reason, or one that is too long.
    #[error("the reason must be one line of 1 to {} bytes", thousands(MAX_REASON as u64))]
    BadReason,
    /// Files that are also images of other patients.
    #[error("the same bytes are also {}: a purge removes these too", .0.join(", "))]
    Shared(Vec<String>),
    /// There is no withdrawal to revoke.
    #[error("{0} is not withdrawn")]
    NotWithdrawn(String),
}

impl From<IndexError> for WithdrawError {
    fn from(e: IndexError) -> Self {
        WithdrawError::Registry(e.into())
    }
}

impl WithdrawError {
    /// A hint.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            WithdrawError::NotHere(_) => Some(
                "nothing was recorded; a patient is given as patient:13, an image by its file name or id",
            ),
            WithdrawError::NotAnImage(_) => Some("give patient:13, the file name of an image, or its id"),
            WithdrawError::Shared(_) => Some("nothing was recorded; give --shared to purge these too"),
            WithdrawError::Registry(_) | WithdrawError::BadReason | WithdrawError::NotWithdrawn(_) => None,
        }
    }
}

/// A request to withdraw data.
#[derive(Debug, Clone)]
pub struct WithdrawRequest<'r> {
    /// A patient, or an image by name or file.
    pub asked: Asked,
    /// The reason.
    pub reason: &'r str,
    /// Whether the bytes are permanently removed.
    pub purge: bool,
    /// Whether bytes are removed that other patients' images share.
    pub shared: bool,
    /// Name of the machine.
    pub host: &'r str,
}

/// The result of a withdrawal.
#[derive(Debug)]
pub struct Withdrew {
    /// The id of the withdrawal.
    pub id: Id<Withdrawal>,
    /// Its record.
    pub record: Withdrawal,
    /// Whether the withdrawal is new; otherwise the data had been withdrawn before.
    pub new: bool,
    /// Images of other patients with the same bytes, which are withdrawn with them.
    pub shared: Vec<String>,
    /// The result of the purge.
    pub purged: Option<Purged>,
    /// The data sets with the images, and the number of images in each.
    pub datasets: Vec<(Hash, u64)>,
}

impl Withdrew {
    /// Number of different images, however many data sets have them.
    pub fn different(&self) -> u64 {
        different(
            self.record.images.iter().map(|image| (image.name.as_str(), image.blake3.map(|file| file.0))),
        )
    }
}

/// Records that data must not be used any more; with `purge`, also removes its bytes permanently.
///
/// An existing withdrawal is not recorded again; an interrupted purge is finished.
pub fn withdraw(
    registry: &Registry,
    request: &WithdrawRequest<'_>,
    stamp: &Stamp,
) -> Result<Withdrew, WithdrawError> {
    check(request.reason)?;
    let view = registry.view()?;
    let found = Affected::find(registry, &view, &request.asked)?;
    let withdrawn = Withdrawn::known(registry, &view)?;
    let mut objects = Vec::new();
    if request.purge {
        for object in &found.objects {
            // A forged manifest may call a checkpoint an image.
            if is_image_alone(&view, object)? {
                objects.push(*object);
            }
        }
        if !found.shared.is_empty() && !request.shared {
            return Err(WithdrawError::Shared(found.shared));
        }
        registry.can_purge(&view, &objects)?;
    }
    drop(view);
    let covered = found.covered_by(&withdrawn);
    let (id, record, new) = match covered {
        Some((id, record)) if objects.iter().all(|object| withdrawn.is_purged(object)) => {
            (*id, record.clone(), false)
        }
        _ => {
            let record = found.record(request, &objects, stamp, withdrawn.count());
            let mut transaction = registry.transaction()?;
            let id = transaction.put(&record)?;
            transaction.commit(stamp)?;
            (id, record, true)
        }
    };
    let purged = request.purge.then(|| registry.purge(&objects)).transpose()?;
    Ok(Withdrew { id, record, new, shared: found.shared, purged, datasets: found.datasets })
}

/// Revokes every withdrawal of a subject. Purged bytes are not restored, but can be ingested again.
pub fn revoke(
    registry: &Registry,
    request: &WithdrawRequest<'_>,
    stamp: &Stamp,
) -> Result<Vec<Id<Withdrawal>>, WithdrawError> {
    check(request.reason)?;
    let view = registry.view()?;
    let subject = match Affected::find(registry, &view, &request.asked) {
        Ok(found) => found.subject,
        // It may have been withdrawn in another registry, and not exist here.
        Err(e) => match &request.asked {
            Asked::Patient(patient) => Subject::Patient { patient: patient.clone() },
            _ => return Err(e),
        },
    };
    let withdrawn = Withdrawn::known(registry, &view)?;
    let in_force = withdrawn.holding().filter(|(_, record)| record.subject == subject);
    let in_force: Vec<Id<Withdrawal>> = in_force.map(|(id, _)| *id).collect();
    if in_force.is_empty() {
        return Err(WithdrawError::NotWithdrawn(subject.to_string()));
    }
    drop(view);
    let mut transaction = registry.transaction()?;
    for id in &in_force {
        transaction.put(&Withdrawal {
            subject: subject.clone(),
            number: withdrawn.count(),
            reason: request.reason.to_owned(),
            time: stamp.time.clone(),
            host: request.host.to_owned(),
            command: stamp.command.clone(),
            images: Vec::new(),
            pictures: Vec::new(),
            purge: false,
            revokes: Some(*id),
        })?;
    }
    transaction.commit(stamp)?;
    Ok(in_force)
}

/// The withdrawals in force that cover some of the images of a subject, oldest first.
pub fn in_force(registry: &Registry, asked: &Asked) -> Result<Vec<Withdrawal>, WithdrawError> {
    let view = registry.view()?;
    let found = match Affected::find(registry, &view, asked) {
        Err(WithdrawError::NotHere(_)) => return Ok(Vec::new()),
        found => found?,
    };
    let withdrawn = Withdrawn::known(registry, &view)?;
    let covering = found.rows.iter().filter_map(|row| withdrawn.of_row(row));
    let covering: BTreeMap<_, _> = covering.map(|(id, record)| ((record.number, id.hash), record)).collect();
    Ok(covering.into_values().cloned().collect())
}

fn check(reason: &str) -> Result<(), WithdrawError> {
    let whole = (1..=MAX_REASON).contains(&reason.trim().len()) && !reason.chars().any(char::is_control);
    // Nor may it look like a link.
    if whole && reason.parse::<Hash>().is_err() { Ok(()) } else { Err(WithdrawError::BadReason) }
}

/// The images and files that a withdrawal covers now.
struct Affected {
    subject: Subject,
    images: BTreeSet<WithdrawnImage>,
    /// Their rows, to find the withdrawals that cover them.
    rows: Vec<ImageRow>,
    /// Files of the images, and pictures made of them.
    objects: Vec<Hash>,
    pictures: Vec<Hash>,
    shared: Vec<String>,
    datasets: Vec<(Hash, u64)>,
}

impl Affected {
    fn find(registry: &Registry, view: &View, asked: &Asked) -> Result<Self, WithdrawError> {
        let all = datasets(registry, view)?;
        let is = |dataset: &Dataset, row: &ImageRow| asked.is(dataset, row);
        let chosen = all.iter().flat_map(|(_, dataset, manifest)| {
            manifest.rows.iter().filter(move |row| is(dataset, row)).cloned()
        });
        let chosen: Vec<ImageRow> = chosen.collect();
        let subject = match (asked, chosen.first()) {
            (_, None) => return Err(WithdrawError::NotHere(asked.to_string())),
            (Asked::Patient(patient), _) => Subject::Patient { patient: patient.clone() },
            (_, Some(row)) => Subject::Image { name: row.name.to_string() },
        };
        let files: HashSet<Hash> = chosen.iter().filter_map(|row| row.object).collect();
        // The same picture under another name is the same picture.
        let of_files = |row: &&ImageRow| row.object.is_some_and(|object| files.contains(&object));
        let mut shared = BTreeSet::new();
        let (mut rows, mut holding) = (Vec::new(), Vec::new());
        for (id, dataset, manifest) in &all {
            let named = manifest.rows.iter().filter(|row| is(dataset, row) || of_files(row));
            let before = rows.len();
            for row in named {
                if !is(dataset, row) {
                    shared.insert(format!("{} of patient {}", row.name, row.patient));
                }
                rows.push(row.clone());
            }
            if rows.len() > before {
                holding.push((id.hash, (rows.len() - before) as u64));
            }
        }
        let images = rows.iter().map(|row| WithdrawnImage {
            name: row.name.to_string(),
            patient: row.patient.clone(),
            blake3: row.object.map(Mention),
            sha256: row.object.map(|_| row.sha256),
            bytes: row.bytes,
        });
        let images = images.collect();
        let mut pictures = BTreeSet::new();
        for object in &files {
            for (from, roles) in view.referrers(object)? {
                let kind = view.kind(&from)?;
                if kind.is_none() || !roles.are_images(kind) {
                    continue;
                }
                if let Table::Heatmap(heatmap) = registry.get::<Table>(Id::new(from))? {
                    pictures.insert(heatmap.picture.hash);
                }
            }
        }
        let mut objects: Vec<Hash> = files.into_iter().chain(pictures.iter().copied()).collect();
        objects.sort_unstable();
        let (pictures, shared) = (pictures.into_iter().collect(), shared.into_iter().collect());
        Ok(Affected { subject, images, rows, objects, pictures, shared, datasets: holding })
    }

    /// A withdrawal of the same subject in force, if it covers each of the images.
    ///
    /// The withdrawal of an image does not withdraw its patient, whose other images may be added later, and each can be
    /// revoked separately.
    fn covered_by<'w>(&self, withdrawn: &'w Withdrawn) -> Option<&'w (Id<Withdrawal>, Withdrawal)> {
        let own = withdrawn.holding().find(|(_, record)| record.subject == self.subject)?;
        self.rows.iter().all(|row| withdrawn.of_row(row).is_some()).then_some(own)
    }

    fn record(
        &self,
        request: &WithdrawRequest<'_>,
        objects: &[Hash],
        stamp: &Stamp,
        number: u64,
    ) -> Withdrawal {
        Withdrawal {
            subject: self.subject.clone(),
            number,
            reason: request.reason.to_owned(),
            time: stamp.time.clone(),
            host: request.host.to_owned(),
            command: stamp.command.clone(),
            images: self.images.iter().cloned().collect(),
            pictures: self.pictures.iter().copied().map(Mention).collect(),
            purge: !objects.is_empty(),
            revokes: None,
        }
    }
}

/// The withdrawn images in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Number of different withdrawn images.
    pub images: u64,
    /// How they were used.
    #[serde(flatten)]
    pub uses: UsageCounts,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.images == 1 { "image" } else { "images" };
        write!(f, "contains withdrawn data: {} {plural} ({})", self.images, self.uses)
    }
}

/// Finds out whether records contain withdrawn data. Costs nothing if nothing was withdrawn.
pub struct Marks<'a> {
    usage: Option<UsageQuery<'a>>,
}

impl<'a> Marks<'a> {
    /// Reads the withdrawals of a registry.
    pub fn open(registry: &'a Registry, view: &View) -> Result<Self, RegistryError> {
        let withdrawn = Withdrawn::known(registry, view)?;
        if withdrawn.is_empty() {
            return Ok(Marks { usage: None });
        }
        let choice = move |_: Id<Dataset>, dataset: &Dataset| withdrawn.rows_of(registry, dataset.manifest);
        Ok(Marks { usage: Some(UsageQuery::new(registry, Box::new(choice))) })
    }

    /// The same for objects outside of a registry, with all of their withdrawals.
    pub fn among(objects: &'a dyn Objects, withdrawn: Withdrawn) -> Self {
        if withdrawn.is_empty() {
            return Marks { usage: None };
        }
        let choice = move |_: Id<Dataset>, dataset: &Dataset| Ok(withdrawn.rows(&objects.manifest(dataset)?));
        Marks { usage: Some(UsageQuery::new(objects, Box::new(choice))) }
    }

    /// The withdrawn images in a record; none if it contains none.
    pub fn of(&mut self, id: &Hash) -> Option<Mark> {
        self.of_all(std::slice::from_ref(id))
    }

    /// The withdrawn images in several records together.
    pub fn of_all(&mut self, ids: &[Hash]) -> Option<Mark> {
        let usage = self.usage.as_mut()?;
        let mut used = DataUsage::default();
        ids.iter().for_each(|id| used.add(&usage.of(id)));
        let images = usage.different(&used.rows());
        (images > 0).then(|| Mark { images, uses: usage.counts(&used) })
    }

    /// Every flagged result, oldest first: runs, scores and tables.
    pub fn results(&mut self, view: &View) -> Result<Vec<(Hash, Kind, Mark)>, RegistryError> {
        let mut marked = Vec::new();
        if self.usage.is_some() {
            for kind in Kind::which(|of| of.class == RecordClass::Computed) {
                let ids = view.of_kind(kind)?;
                marked.extend(ids.iter().filter_map(|id| Some((*id, kind, self.of(id)?))));
            }
        }
        Ok(marked)
    }
}
