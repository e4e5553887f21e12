use super::*;

fn row(name: &str) -> FieldValue<'static> {
    match name {
        "model" => FieldValue::text("tiny"),
        "lr" => FieldValue::Number(0.001),
        "seed" => FieldValue::Number(2.0),
        "state" => FieldValue::text("failed"),
        "note" => FieldValue::text("An Odd one, \"really\""),
        "date" => FieldValue::text("2026-11-05T08:30:00Z"),
        "id" => FieldValue::text("c0fe2c9e9e7f51"),
        _ => FieldValue::Missing,
    }
}

fn field(name: &str) -> Result<FieldType, Vec<String>> {
    match name {
        "lr" | "seed" | "val_auc" => Ok(FieldType::Number),
        "model" | "note" | "weights" => Ok(FieldType::Text),
        "state" => Ok(FieldType::Word(&["done", "failed"])),
        "date" => Ok(FieldType::Time),
        "id" => Ok(FieldType::Id),
        "modle" => Err(vec!["model".to_owned()]),
        _ => Err(Vec::new()),
    }
}

fn chosen(text: &str) -> bool {
    let mut filter = Filter::parse(text).unwrap_or_else(|e| panic!("{e}"));
    filter.check(field).unwrap_or_else(|e| panic!("{e}"));
    filter.chooses(row)
}

fn wrong(text: &str) -> String {
    match Filter::parse(text).and_then(|mut filter| filter.check(field)) {
        Err(e) => e.to_string(),
        Ok(()) => panic!("{text} is right"),
    }
}

#[test]
fn rows_are_chosen_by_what_an_expression_says() {
    for (text, expected) in [
        ("model=tiny and lr<0.01 and (seed in (1,2) or not state=failed) and note~\"odd\"", true),
        ("model = tiny", true),
        ("model == \"tiny\"", true),
        ("model='tin\\y'", true),
        ("model!=tiny", false),
        ("lr=1e-3", true),
        ("lr<=0.001 and lr>=0.001", true),
        ("lr<0.001 or lr>0.001", false),
        ("seed in (1, 3)", false),
        ("seed not in (1, 3)", true),
        ("not not model=tiny", true),
        // `and` binds closer than `or`.
        ("model=tiny or model=x and model=y", true),
        ("(model=tiny or model=x) and model=y", false),
        ("not model=x and state=failed", true),
        ("note~\"\\\"really\\\"\"", true),
        ("note!~odd", false),
        ("date>2026-11-05 and date<2026-11-06", true),
        ("date=2026-11-05", true),
        ("date in (2026-11-04, 2026-11)", true),
        ("date=\"2026-11-05 08:30\"", true),
        ("date!=2026-11-05", false),
        ("date=2026-11-06", false),
        ("id=c0fe2c9e9e7f", true),
        ("id=c0fe2c9e9e7f51", true),
        ("id=c0fe2d", false),
        ("id~fe2", true),
        ("state!=done", true),
        ("model=tiny AND NOT (seed NOT IN (2) OR lr=1)", true),
    ] {
        assert_eq!(chosen(text), expected, "{text}");
    }
}

#[test]
fn a_missing_value_is_only_missing() {
    for (text, expected) in [
        ("val_auc<0.9", false),
        ("val_auc>=0.9", false),
        ("val_auc=0.9", false),
        ("val_auc!=0.9", true),
        ("not val_auc<0.9", true),
        ("val_auc=missing", true),
        ("val_auc!=missing", false),
        ("seed=missing", false),
        ("weights in (missing, w)", true),
        ("weights~a", false),
    ] {
        assert_eq!(chosen(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_a_caret_below_it() {
    insta::assert_snapshot!(wrong("model=tiny and modle=x"), @"
    no value is named `modle`; there is `model`
      model=tiny and modle=x
                     ^^^^^
    ");
    insta::assert_snapshot!(wrong("lr<high"), @"
    `lr` is a number, but `high` is not
      lr<high
         ^^^^
    ");
    insta::assert_snapshot!(wrong("seed in (1,2"), @"
    `,` or `)` is expected at the end
      seed in (1,2
                  ^
    ");
    insta::assert_snapshot!(wrong("(model=tiny"), @"
    this parenthesis is not closed
      (model=tiny
      ^
    ");
    insta::assert_snapshot!(wrong("ä=\"x"), @r#"
    the closing " is missing
      ä="x
        ^^
    "#);
}

#[test]
fn every_wrong_expression_is_refused_and_none_panics() {
    for (text, why) in [
        ("", "the expression is empty"),
        ("   ", "the expression is empty"),
        ("model", "one of = != < <= > >= ~ !~ in is expected at the end"),
        ("model=", "a value is expected at the end"),
        ("=tiny", "the name of a value is expected here"),
        ("model=tiny seed=1", "`and` or `or` is expected here"),
        ("model=tiny)", "this parenthesis was not opened"),
        ("model=tiny and", "the name of a value is expected at the end"),
        ("model=tiny && seed=1", "write `and`, not `&&`"),
        ("seed in 1", "a list in parentheses"),
        ("seed not 1", "`in` is expected here"),
        ("seed<missing", "with = or !="),
        ("lr~0", "only text can contain something"),
        ("model=$x", "`$` is not expected here"),
        ("unknown=1", "nothing listed has a value named `unknown`"),
    ] {
        let said = wrong(text);
        assert!(said.contains(why), "{text}: {said}");
    }
    let deep = format!("{}model=tiny{}", "(".repeat(5_000), ")".repeat(4_000));
    assert!(wrong(&deep).contains("nested more than 64 deep"));
    assert!(wrong(&format!("{}model=x", "not ".repeat(2_000))).contains("more than 64"));
    assert!(wrong(&"x".repeat(20_000)).contains("at most 10000 bytes"));
}

#[test]
fn the_names_of_an_expression_are_known_before_there_are_rows() {
    let filter = Filter::parse("b=1 or (a~x and not b in (2)) or c=missing").unwrap();
    assert_eq!(filter.names(), ["b", "a", "c"]);
}
