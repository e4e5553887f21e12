//! Keeps withdrawn images from being used by accident: what would compute with them is refused until somebody says
//! that it shall.
//!
//! A refusal, not a warning: a warning of a study that runs overnight is read when it is too late. What was computed
//! before is still answered with, marked.

use super::{RunError, Session};
use crate::records::{Assignment, Dataset, Manifest, Spec, Split, Subset};

/// Refuses a spec whose fold, or the one subset of it that is asked for, has withdrawn images.
pub(super) fn refuse(
    session: Session,
    spec: &Spec,
    (dataset, split): (&Dataset, &Split),
    subset: Option<Subset>,
) -> Result<(), RunError> {
    let registry = session.registry;
    if registry.withdrawn(&registry.view()?)?.is_empty() {
        return Ok(());
    }
    let manifest = registry.get_packed(dataset.manifest)?;
    let assignment = registry.get_packed(split.assignment)?;
    let codes = assignment.folds.get(spec.fold as usize).map_or(&[][..], Vec::as_slice);
    let used = |code: u8| match subset {
        Some(subset) => code == subset as u8,
        None => code != Assignment::UNUSED,
    };
    let rows: Vec<u32> = (0..).zip(codes).filter(|(_, code)| used(**code)).map(|(row, _)| row).collect();
    let files = spec.model.architecture.image().is_some();
    refuse_rows(session, &manifest, &rows, files)
}

/// Refuses rows of a manifest, ascending, some of which were withdrawn. With `files`, their files are needed: that they
/// were purged cannot be allowed away.
pub(super) fn refuse_rows(
    session: Session,
    manifest: &Manifest,
    rows: &[u32],
    files: bool,
) -> Result<(), RunError> {
    let registry = session.registry;
    let withdrawn = registry.withdrawn(&registry.view()?)?;
    let (mut images, mut why, mut purged) = (0, None, 0);
    for row in rows.iter().filter_map(|row| manifest.rows.get(*row as usize)) {
        if let Some((_, record)) = withdrawn.of_row(row) {
            images += 1;
            why.get_or_insert_with(|| format!("{}: {}", record.subject, record.reason));
        }
        let gone = |object| withdrawn.gone(object).is_some() && !registry.store().contains(object);
        purged += u64::from(files && row.object.as_ref().is_some_and(gone));
    }
    if purged > 0 {
        return Err(RunError::Purged { images: purged });
    }
    match why {
        Some(why) if !session.allow_withdrawn => Err(RunError::Withdrawn { images, why }),
        _ => Ok(()),
    }
}
