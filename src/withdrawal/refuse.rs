//! Prevents accidental use of withdrawn images: computations with them are refused unless the user allows them.
//!
//! A refusal rather than a warning, because a warning in a study that runs overnight is read too late. Existing
//! results are still returned, with a flag.

use super::{UseError, Withdrawn};
use crate::hash::Hash;
use crate::records::{Dataset, Manifest, Spec, Subset};
use crate::registry::{Objects, Registry};

/// A registry, and whether its withdrawn images may be used.
#[derive(Clone, Copy)]
pub struct UsePolicy<'a> {
    /// The registry.
    pub registry: &'a Registry,
    /// Compute even with withdrawn images.
    pub allow_withdrawn: bool,
}

/// Refuses a spec whose fold, or the one requested subset of it, contains withdrawn images.
pub fn refuse(
    policy: UsePolicy,
    spec: &Spec,
    dataset: &Dataset,
    subset: Option<Subset>,
) -> Result<(), UseError> {
    let registry = policy.registry;
    if Withdrawn::known(registry, &registry.view()?)?.is_empty() {
        return Ok(());
    }
    let manifest = registry.manifest(dataset)?;
    let subsets = subset.map_or(Subset::ALL.to_vec(), |subset| vec![subset]);
    let members: Vec<Vec<u32>> =
        subsets.into_iter().map(|subset| registry.members(spec, subset)).collect::<Result<_, _>>()?;
    let mut rows = members.concat();
    rows.sort_unstable();
    let files = match spec {
        Spec::Network(spec) => spec.model.architecture.image().is_some(),
        Spec::Program(_) => !dataset.metadata_only,
    };
    refuse_rows(policy, &manifest, &rows, files)?;
    if subset.is_none() { refuse_weights(policy, spec) } else { Ok(()) }
}

/// Refuses weights of a run that was trained or selected on images that were withdrawn since.
fn refuse_weights(policy: UsePolicy, spec: &Spec) -> Result<(), UseError> {
    let registry = policy.registry;
    for data in registry.learnt_before(spec)? {
        let Some(dataset) = data.dataset() else { continue };
        let manifest = registry.manifest(&registry.get(dataset)?)?;
        let mut rows = (registry as &dyn Objects).rows_of(&data, &[Subset::Train, Subset::Val])?;
        rows.sort_unstable();
        refuse_rows(policy, &manifest, &rows, false).map_err(|e| match e {
            UseError::Withdrawn { images, why } => {
                let why = format!("{why}; its initial weights or inputs were trained on them");
                UseError::Withdrawn { images, why }
            }
            e => e,
        })?;
    }
    Ok(())
}

/// Refuses withdrawn rows among some rows of a manifest, which ascend. With `files`, the image files are
/// needed, so purged images are refused even if withdrawn ones are allowed.
pub fn refuse_rows(
    policy: UsePolicy,
    manifest: &Manifest,
    rows: &[u32],
    files: bool,
) -> Result<(), UseError> {
    let registry = policy.registry;
    let withdrawn = Withdrawn::known(registry, &registry.view()?)?;
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
        return Err(UseError::Purged { images: purged });
    }
    match why {
        Some(why) if !policy.allow_withdrawn => Err(UseError::Withdrawn { images, why }),
        _ => Ok(()),
    }
}

/// Refuses an external file with the bytes of a withdrawn image.
pub fn refuse_file(policy: UsePolicy, file: &Hash) -> Result<(), UseError> {
    let registry = policy.registry;
    match Withdrawn::known(registry, &registry.view()?)?.of_file(file) {
        Some((_, record)) if !policy.allow_withdrawn => {
            let why = format!("{}: {}", record.subject, record.reason);
            Err(UseError::Withdrawn { images: 1, why })
        }
        _ => Ok(()),
    }
}
