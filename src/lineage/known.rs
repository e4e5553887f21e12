//! The contents of the index, compared with the objects.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::hash::Hash;
use crate::index::{Index, IndexError, Registration, View};
use crate::records::{Event, Kind, Roles};
use crate::registry::survey::{Survey, breaks, replay};

/// Number of differences that are listed; the others are counted.
const MAX_REPORTED: usize = 20;

/// The tables of an index.
pub(super) struct Known {
    /// Record -> kind.
    records: HashMap<Hash, String>,
    by_id: Vec<Registration>,
    by_kind: Vec<Registration>,
    /// References: target, referrer, role; ascending.
    pub(super) mentions: Vec<(Hash, Hash, Roles)>,
    naming: HashSet<Hash>,
    pub(super) names: BTreeMap<String, Hash>,
    log: Vec<Hash>,
    /// Number of transactions before the index was read.
    pub(super) commits: u64,
    /// Why it is an old index, if it is.
    stale: Option<String>,
}

impl Known {
    /// Reads a complete index, after a check of its pages.
    pub(super) fn read(index: &Index) -> Result<Self, IndexError> {
        let commits = index.commits();
        index.check()?;
        let stale = match index.view() {
            Err(e @ (IndexError::Stale { .. } | IndexError::Behind { .. })) => Some(e.to_string()),
            other => other.map(|_| None)?,
        };
        Ok(Known { stale, commits, ..Known::of(&index.view_of_any_age()?)? })
    }

    /// Reads the tables of a view.
    pub(super) fn of(view: &View) -> Result<Self, IndexError> {
        let [by_id, by_kind] = view.registrations()?;
        let mentions = view.all_referrers()?;
        Ok(Known {
            records: by_id.iter().map(|(kind, _, id)| (*id, kind.clone())).collect(),
            by_id,
            by_kind,
            naming: mentions.iter().map(|(_, from, _)| *from).collect(),
            mentions,
            names: view.names()?.into_iter().collect(),
            log: view.log()?,
            commits: 0,
            stale: None,
        })
    }

    pub(super) fn is_registered(&self, id: &Hash) -> bool {
        self.records.contains_key(id)
    }

    /// Whether anything that the index knows names an object.
    pub(super) fn is_named(&self, id: &Hash) -> bool {
        let at = self.mentions.partition_point(|(to, ..)| to < id);
        self.mentions.get(at).is_some_and(|(to, ..)| to == id)
    }

    /// Whether the index has references of an object.
    pub(super) fn mentions_from(&self, id: &Hash) -> bool {
        self.naming.contains(id)
    }

    /// The records in the index, of the kinds that this reg knows.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (Hash, Kind)> + '_ {
        self.records.iter().filter_map(|(id, kind)| Some((*id, Kind::named(kind)?)))
    }

    /// Objects that must exist because a name or a table of the index refers to them.
    pub(super) fn expected(&self) -> impl Iterator<Item = Hash> + '_ {
        self.names.values().chain(&self.log).chain(self.records.keys()).copied()
    }

    /// Differences between the index and the objects, a sentence each.
    ///
    /// Damaged and missing records are only in the index, and are reported elsewhere.
    pub(super) fn compare(&self, survey: &Survey, there: impl Fn(&Hash) -> bool) -> Vec<String> {
        let mut problems: Vec<String> = self.stale.iter().cloned().collect();
        if self.by_id != self.by_kind {
            problems.push("the index lists different records by kind than by id".to_owned());
        }
        let unreadable: HashSet<Hash> = survey.problems.iter().map(|(id, _)| *id).collect();
        let speaks = |id: &Hash| there(id) && !unreadable.contains(id);
        for (id, kind) in &self.records {
            match survey.records.get(id) {
                Some((found, _)) if found.name() != kind => {
                    problems.push(format!("the index calls {} a {kind}, but it is a {found}", id.short()));
                }
                None if speaks(id) => {
                    problems.push(format!("the index lists {} as a {kind}, but it is not one", id.short()));
                }
                _ => {}
            }
        }
        // Registered records; packed arrays to which one of them refers, or to which a record refers that is damaged
        // now, according to the index.
        let mut speaking: HashSet<Hash> =
            survey.records.keys().filter(|id| self.is_registered(id)).copied().collect();
        let named: Vec<Hash> = speaking.iter().flat_map(|id| survey.links(id)).collect();
        speaking.extend(named.iter().chain(&self.naming).filter(|id| survey.packed.contains_key(id)));
        let named: HashSet<Hash> = named.into_iter().collect();
        let mut said: Vec<(Hash, Hash, Roles)> =
            survey.mentions().filter(|(_, from, _)| speaking.contains(from)).collect();
        said.sort_unstable();
        for (to, from, role) in without(&said, &self.mentions) {
            problems.push(format!(
                "{} refers to {} as {role}, but the index does not list this",
                from.short(),
                to.short()
            ));
        }
        for (to, from, role) in without(&self.mentions, &said) {
            // Damaged and missing objects are reported as such, not as contradictions.
            let gone = !there(from) && (self.is_registered(from) || named.contains(from));
            if !gone && !unreadable.contains(from) {
                problems.push(format!(
                    "the index lists a reference of {} to {} as {role} that does not exist",
                    from.short(),
                    to.short()
                ));
            }
        }
        let rest = problems.len().saturating_sub(MAX_REPORTED);
        problems.truncate(MAX_REPORTED);
        problems.extend(
            (rest > 0).then(|| format!("and {rest} more differences between the index and the objects")),
        );
        problems
    }

    /// The entries of the log; none if one of them cannot be read.
    fn events<'s>(&self, survey: &'s Survey) -> Option<Vec<(Hash, &'s Event)>> {
        self.log.iter().map(|id| Some((*id, survey.events.get(id)?))).collect()
    }

    /// Replays the log and compares the result with the names; looks for a log that continues, beyond the entries
    /// `later` of the index.
    pub(super) fn check_names(&self, survey: &Survey, later: &Known) -> Vec<String> {
        // A missing or damaged event is among the damaged objects already.
        let Some(log) = self.events(survey) else { return Vec::new() };
        let mut problems = breaks(&log);
        // The log may continue beyond the index; entries that other processes have added meanwhile are no strays
        // either.
        let continued = survey.log(self.log.last().copied());
        problems.extend(survey.strays(&continued));
        let further = continued.len();
        // A crash can leave one more entry, which no command has reported.
        if further > later.log.len() + 1 {
            problems.push(format!("the index is missing {} log entries", further - later.log.len()));
        }
        let replayed = replay(log.into_iter().map(|(_, event)| event));
        let short = |id: Option<&Hash>| id.map_or("nothing".to_owned(), Hash::short);
        let both: BTreeSet<&String> = self.names.keys().chain(replayed.keys()).collect();
        for name in both {
            let (now, logged) = (self.names.get(name), replayed.get(name));
            if now != logged {
                problems.push(format!(
                    "{name} points to {}, but according to the log to {}",
                    short(now),
                    short(logged)
                ));
            }
        }
        problems
    }
}

/// The elements of `these` that are not in `those`, both ascending.
fn without<'a, T: Ord>(these: &'a [T], those: &'a [T]) -> impl Iterator<Item = &'a T> {
    let mut those = those.iter().peekable();
    these.iter().filter(move |this| {
        while those.next_if(|that| that < this).is_some() {}
        those.peek() != Some(this)
    })
}
