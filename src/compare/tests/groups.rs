//! AUCs within groups of patients.

use super::*;
use crate::records::GroupRow;

/// Twelve images with alternating gender, view and age, some of them unknown, two ages impossible.
fn world() -> (World, Input) {
    let rows = (0..12).map(|n: u32| ImageRow {
        gender: [Gender::Female, Gender::Male, Gender::Unknown][n as usize % 3],
        view: [ViewPosition::PA, ViewPosition::AP, ViewPosition::AP, ViewPosition::Unknown][n as usize / 3],
        age: [Some(39), Some(40), Some(49), None, Some(-1), Some(414)][n as usize % 6],
        ..image(n, n, 1 - n % 2)
    });
    let mut world = World::new(&["Mass"], rows.collect(), &["222222222222"]);
    let run = world.run("mlp", 0);
    // Of the women (0, 3, 6, 9), 0 and 6 have the label: 11 and 5 against 8 and 2, three of four pairs.
    let input = world.tested(run, &[&[11.0, 0.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 10.0]]);
    (world, input)
}

fn groups(by: &[GroupBy]) -> Vec<GroupRow> {
    let (world, input) = world();
    let options = CompareOptions { groups: by.to_vec(), ..CompareOptions::default() };
    world.compare(&[&input], &options).unwrap().groups
}

fn counted(rows: &[GroupRow]) -> Vec<(&str, u64, u64)> {
    rows.iter().map(|row| (row.group.as_str(), row.images, row.positives)).collect()
}

#[test]
fn every_image_is_in_one_group_of_each_kind_and_what_is_not_known_in_a_group_of_its_own() {
    let rows = groups(&[GroupBy::Gender]);
    assert_eq!(counted(&rows), [("F", 4, 2), ("M", 4, 2), ("unknown", 4, 2)]);
    assert_eq!((rows[0].model.as_str(), rows[0].label.as_str(), rows[0].fold), ("mlp", "Mass", Some(0)));
    let rows = groups(&[GroupBy::View]);
    assert_eq!(counted(&rows), [("PA", 3, 2), ("AP", 6, 3), ("unknown", 3, 1)]);
    // Impossible ages count as unknown.
    let rows = groups(&[GroupBy::Age]);
    assert_eq!(counted(&rows), [("30-39", 2, 2), ("40-49", 4, 2), ("unknown", 6, 2)]);
    let both = groups(&[GroupBy::View, GroupBy::Gender]);
    assert_eq!(both[..3], groups(&[GroupBy::View]));
    assert_eq!(both[3..], groups(&[GroupBy::Gender]));
    assert!(groups(&[]).is_empty());
}

#[test]
fn the_auc_of_a_group_is_of_its_images_alone() {
    let rows = groups(&[GroupBy::Gender]);
    assert_eq!(rows[0].auc, Some(0.75));
    // Placements of 1 and 1/2 over the positives, 1/2 and 1 over the negatives: (1/8 + 1/8) / 2.
    close(rows[0].std_error.unwrap(), 0.125f64.sqrt());
    // A group in which all images have the label has no AUC; with one image in a class, no standard error.
    let rows = groups(&[GroupBy::Age, GroupBy::View]);
    assert_eq!((rows[0].group.as_str(), rows[0].auc, rows[0].std_error), ("30-39", None, None));
    let pa = &rows[3];
    assert_eq!((pa.group.as_str(), pa.auc, pa.std_error), ("PA", Some(1.0), None));
}
