//! What is known today of the leaks of a result, which its record need not say: a single result says nothing, and a
//! comparison what was known when it was made.

use super::{CompareError, leaks_called};
use crate::hash::{Hash, Id};
use crate::records::{IncomparableKind, Kind, Predictions, Subset, Table};
use crate::registry::{Objects, Registry};

/// The leaks of the scores behind a run, predictions or a table that its record does not name, each as a sentence; none
/// for records of other kinds. Sentences call the model `called`, or by the name of its run.
///
/// # Errors
/// Among others, a record that cannot be decoded.
pub fn leaks_today(registry: &Registry, id: Hash, called: Option<&str>) -> Result<Vec<String>, CompareError> {
    let view = registry.view()?;
    let predictions: Vec<Id<Predictions>> = match view.kind(&id)? {
        Some(Kind::Run) => {
            let all = registry.referring::<Predictions>(&view, &id)?;
            let test = all.into_iter().filter(|(_, scores)| scores.is_plain(Subset::Test));
            test.map(|(id, _)| id).collect()
        }
        Some(Kind::Predictions) => vec![Id::new(id)],
        Some(Kind::Table) => match registry.get::<Table>(Id::new(id))? {
            Table::Auc(auc) => vec![auc.predictions],
            Table::Comparison(table) => {
                let named = table.incomparable.iter().any(|one| one.kind == IncomparableKind::Leak);
                let all = table.models.into_iter().filter(|_| !named);
                all.flat_map(|model| model.predictions).collect()
            }
            Table::Dataset(_) | Table::Probe(_) | Table::Heatmap(_) | Table::Pointing(_) => Vec::new(),
        },
        _ => Vec::new(),
    };
    drop(view);
    let objects: &dyn Objects = registry;
    let mut found = Vec::new();
    for id in predictions {
        // Only what a model started from can have taught it test images of its own division.
        let record = registry.get(id)?;
        let mut starts = false;
        for run in objects.scorers(&record)? {
            let spec = registry.get(registry.get(run)?.spec)?;
            for file in objects.starts_from(&spec)? {
                starts = starts || !objects.origins(&file)?.is_unknown();
            }
        }
        if starts {
            found.extend(leaks_called(registry, id, called)?.into_iter().map(|leak| leak.why));
        }
    }
    found.dedup();
    Ok(found)
}
