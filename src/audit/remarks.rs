//! What must be said of the result in a bundle, by what the bundle holds.

use std::collections::BTreeMap;

use super::AuditError;
use super::walk::{BundleMember, ObjectSource};
use crate::hash::{Hash, Id};
use crate::records::{Kind, RecordClass};
use crate::registry::Objects;
use crate::usage::UnknownAncestry;
use crate::withdrawal::{Mark, Marks, Withdrawn};

/// What must be said of a result wherever it is shown.
#[derive(Debug, Clone, Default)]
pub(super) struct BundleRemarks {
    /// The withdrawn data that it contains, by the withdrawals in the bundle.
    pub(super) mark: Option<Mark>,
    /// The files of unknown origin from which its models started, as a sentence without subject.
    pub(super) unknown: Option<String>,
}

/// What must be said of the result in a bundle.
pub(super) fn remarks(
    source: &dyn ObjectSource,
    root: Hash,
    parts: &BTreeMap<Hash, BundleMember>,
) -> Result<BundleRemarks, AuditError> {
    let of_kind = parts.iter().filter(|(_, part)| part.kind.is(Kind::Withdrawal));
    let records = of_kind.map(|(id, _)| Ok((Id::new(*id), <dyn Objects>::get(source, Id::new(*id))?)));
    let records: Result<_, AuditError> = records.collect();
    let mark = Marks::among(source, Withdrawn::of(records?)).of(&root);
    let is_result = |kind: Kind| kind.descriptor().class == RecordClass::Computed;
    let of_result = parts.get(&root).and_then(|part| part.kind.record()).is_some_and(is_result);
    let unknown = if of_result { UnknownAncestry::of(source, &[root])? } else { None };
    Ok(BundleRemarks { mark, unknown: unknown.map(|unknown| unknown.said(|_| None)) })
}
