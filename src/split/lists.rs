//! The published lists of ChestX-ray14, known by their content: what a user calls a list says nothing.

use crate::hash::Hash;

/// Two lists of image names, by their hashes; see [`names_hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedLists {
    /// Names of the images for training and validation.
    pub train_val: &'static str,
    /// Names of the test images.
    pub test: &'static str,
}

/// `train_val_list.txt`, 86,524 names, and `test_list.txt`, 25,596 names, of Wang et al.
pub const OFFICIAL: PublishedLists = PublishedLists {
    train_val: "0f758131e546c5000db24988232b31be861393e03d3f156ad52b8fe6c6a9797d",
    test: "d6988970dfa9a182582510b30e2fa2c5839298115df7bdd5970a2abacebcc34a",
};

/// The BLAKE3 hash of names in ascending order, each with a newline; the same for any order and for names that stand
/// there twice.
pub fn names_hash<'n>(names: impl IntoIterator<Item = &'n str>) -> Hash {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let text: String = names.into_iter().flat_map(|name| [name, "\n"]).collect();
    Hash::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_known_in_any_order() {
        assert_eq!(names_hash(["b.png", "a.png", "b.png"]), Hash::of(b"a.png\nb.png\n"));
        assert_ne!(names_hash(["a.png"]), names_hash(["b.png"]));
    }
}
