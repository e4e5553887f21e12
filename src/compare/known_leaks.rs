//! The leaks of recorded results that are known today, for lists and pages: a single result does not name its own, and a
//! comparison names what was known when it was made.

use std::collections::HashMap;

use super::{CompareError, leaks_called};
use crate::hash::{Hash, Id};
use crate::records::{Division, IncomparableKind, Kind, Predictions, Split, Subset, Table};
use crate::registry::{Objects, Registry, RegistryError};
use crate::split::{DivisionLeaks, known_leaks, leak_sentences};

/// Leaks that were found, by split and by scores. They hold as long as the index has the same state.
#[derive(Debug, Default)]
pub struct FoundLeaks {
    splits: HashMap<Hash, (Division, Vec<DivisionLeaks>)>,
    /// By what the model is called in them, and scores.
    scores: HashMap<(Option<&'static str>, Hash), Vec<String>>,
}

/// Looks for the leaks of many results. What several of them share is looked for once.
pub struct LeakFinder<'r> {
    registry: &'r Registry,
    found: FoundLeaks,
    called: Option<&'static str>,
}

impl<'r> LeakFinder<'r> {
    /// Nothing is looked for yet.
    pub fn of(registry: &'r Registry) -> Self {
        LeakFinder::with(registry, FoundLeaks::default())
    }

    /// What was found before is not looked for again.
    pub fn with(registry: &'r Registry, found: FoundLeaks) -> Self {
        LeakFinder { registry, found, called: None }
    }

    /// What was found.
    pub fn into_found(self) -> FoundLeaks {
        self.found
    }

    /// Calls every model this, where an answer is that of several runs; otherwise scores are called by their run.
    pub fn calling(self, called: &'static str) -> Self {
        LeakFinder { called: Some(called), ..self }
    }

    fn split(&mut self, split: Id<Split>) -> Result<&(Division, Vec<DivisionLeaks>), RegistryError> {
        if !self.found.splits.contains_key(&split.hash) {
            let division = self.registry.get(split)?.method.division();
            self.found.splits.insert(split.hash, (division, known_leaks(self.registry, split)?));
        }
        Ok(&self.found.splits[&split.hash])
    }

    /// What a run that started from no weights has seen of its test images, by its division.
    ///
    /// # Errors
    /// A split or data set that cannot be read.
    pub fn of_division(
        &mut self,
        model: &str,
        split: Id<Split>,
        fold: u32,
    ) -> Result<Vec<String>, RegistryError> {
        let (division, leaks) = self.split(split)?;
        let who = format!("{model} ({} {fold})", division.name());
        Ok(leaks.get(fold as usize).map_or_else(Vec::new, |leaks| leaks.tested.sentences(&who, "it")))
    }

    /// The leaks behind a record that it does not name: of the scores behind a run, predictions or a table, or of a split,
    /// which is called `name`. Other records have none.
    ///
    /// # Errors
    /// A record behind it that cannot be read.
    pub fn of_record(&mut self, id: Hash, name: &str) -> Result<Vec<String>, CompareError> {
        let registry = self.registry;
        let view = registry.view()?;
        let predictions: Vec<Id<Predictions>> = match view.kind(&id).map_err(RegistryError::from)? {
            Some(Kind::Split) => {
                let (division, leaks) = self.split(Id::new(id))?;
                return Ok(leak_sentences(leaks, *division, name));
            }
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
        let mut found = Vec::new();
        for id in predictions {
            let key = (self.called, id.hash);
            if !self.found.scores.contains_key(&key) {
                let own = self.of_scores(id)?;
                self.found.scores.insert(key, own);
            }
            found.extend(self.found.scores[&key].iter().cloned());
        }
        found.dedup();
        Ok(found)
    }

    /// The leaks of scores. They are searched image by image only where there can be some: where a model started from
    /// something that has learnt, or where something is in more than one subset of its division.
    fn of_scores(&mut self, id: Id<Predictions>) -> Result<Vec<String>, CompareError> {
        let registry = self.registry;
        let record = registry.get(id)?;
        let mut suspect = false;
        for run in (registry as &dyn Objects).scorers(&record)? {
            let spec = registry.get(registry.get(run)?.spec)?;
            let (_, leaks) = self.split(spec.split())?;
            suspect |= leaks.get(spec.fold() as usize).is_some_and(DivisionLeaks::any)
                || !registry.learnt_before(&spec)?.is_empty();
        }
        let found = if suspect { leaks_called(registry, id, self.called)? } else { Vec::new() };
        Ok(found.into_iter().map(|leak| leak.why).collect())
    }
}
