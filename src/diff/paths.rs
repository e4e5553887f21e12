//! Paths of roles from a result to a differing input.
//!
//! A chain of a hundred thousand records has as many paths, each one role longer than the previous one. So a path is an
//! index into one list of steps, and becomes text only when it is shown.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::records::Role;

/// Roles at the beginning of a long path that are shown, and at its end.
const SHOWN: usize = 50;

/// A path in [`Paths`]; the same roles in the same order are the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PathId(usize);

impl PathId {
    /// The path of the result itself.
    pub(super) const RESULT: PathId = PathId(0);
}

/// The last step of a path.
struct PathStep {
    before: PathId,
    role: Role,
    length: usize,
}

/// All paths of a walk.
#[derive(Default)]
pub(super) struct Paths {
    /// The path of the result has no step, so the first step belongs to path 1.
    steps: Vec<PathStep>,
    known: HashMap<(PathId, Role), PathId>,
}

impl Paths {
    /// The path with another role at its end.
    pub(super) fn then(&mut self, before: PathId, role: &Role) -> PathId {
        let length = self.length(before) + 1;
        *self.known.entry((before, role.clone())).or_insert_with(|| {
            self.steps.push(PathStep { before, role: role.clone(), length });
            PathId(self.steps.len())
        })
    }

    fn step(&self, path: PathId) -> Option<&PathStep> {
        self.steps.get(path.0.checked_sub(1)?)
    }

    /// Number of its roles.
    pub(super) fn length(&self, path: PathId) -> usize {
        self.step(path).map_or(0, |step| step.length)
    }

    /// Its last role; none for the result itself.
    pub(super) fn last(&self, path: PathId) -> Option<&Role> {
        self.step(path).map(|step| &step.role)
    }

    /// The order of two paths of the same length: by the first roles that differ.
    pub(super) fn cmp(&self, mut a: PathId, mut b: PathId) -> Ordering {
        let mut order = Ordering::Equal;
        // Paths of the same length meet at the latest where both are empty.
        while a != b {
            let (Some(one), Some(other)) = (self.step(a), self.step(b)) else {
                return self.length(a).cmp(&self.length(b));
            };
            order = one.role.cmp(&other.role).then(order);
            (a, b) = (one.before, other.before);
        }
        order
    }

    /// As text, roles separated by dots: `predictions.run.spec`. Of a long path the middle is left out.
    pub(super) fn text(&self, path: PathId) -> String {
        let length = self.length(path);
        let mut roles = Vec::new();
        let mut next = path;
        while let Some(step) = self.step(next) {
            if step.length <= SHOWN || step.length > length.saturating_sub(SHOWN) {
                roles.push(step.role.as_str());
            } else if step.length == SHOWN + 1 {
                roles.push("…");
            }
            next = step.before;
        }
        roles.reverse();
        roles.join(".")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(paths: &mut Paths, text: &str) -> PathId {
        text.split('.').fold(PathId::RESULT, |path, key| paths.then(path, &Role::named(key)))
    }

    #[test]
    fn a_path_is_its_roles_and_no_two_are_the_same() {
        let mut paths = Paths::default();
        for text in ["run", "run.spec", "predictions.run.spec"] {
            let id = path(&mut paths, text);
            assert_eq!(paths.text(id), text);
            assert_eq!(path(&mut paths, text), id);
            assert_eq!(paths.length(id), text.split('.').count());
        }
        assert_eq!(paths.text(PathId::RESULT), "");
        assert_eq!(paths.last(PathId::RESULT), None);
    }

    #[test]
    fn paths_of_one_length_are_in_the_order_of_their_text() {
        let mut paths = Paths::default();
        let texts = ["boxes.run", "boxes_file.run", "dataset.file", "dataset.split", "run.dataset"];
        for a in texts {
            for b in texts {
                let ids = [a, b].map(|text| path(&mut paths, text));
                assert_eq!(paths.cmp(ids[0], ids[1]), a.cmp(b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn the_middle_of_a_long_path_is_left_out() {
        let mut paths = Paths::default();
        let whole = ["run"; 2 * SHOWN].join(".");
        let id = path(&mut paths, &whole);
        assert_eq!(paths.text(id), whole);
        let id = path(&mut paths, &["run"; 100_000].join("."));
        let half = ["run"; SHOWN].join(".");
        assert_eq!(paths.text(id), format!("{half}.….{half}"));
    }
}
