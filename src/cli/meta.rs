//! `--age`, `--gender` and `--view`: meta features of image files, which no data set has.

use reg::records::{Gender, MetaFeatures, ViewPosition};
use reg::training::GivenMeta;
use serde_json::{Value, json};

const UNKNOWN: &str = "unknown";

/// Meta features of image files that are not in the run's data set
#[derive(clap::Args)]
pub(super) struct MetaArgs {
    /// Age in years, or `unknown`: for image files that are not in the run's data set, if the model uses age, gender
    /// and view
    #[arg(long, value_name = "YEARS", value_parser = age)]
    age: Option<Age>,
    /// M, F or unknown: gender of the patient of these files
    #[arg(long, value_parser = gender)]
    gender: Option<Gender>,
    /// PA, AP or unknown: view position of these files
    #[arg(long, value_parser = view)]
    view: Option<ViewPosition>,
}

/// An age in years; `None` if it is unknown.
#[derive(Debug, Clone, Copy)]
struct Age(Option<i32>);

impl MetaArgs {
    pub(super) fn given(&self) -> GivenMeta {
        GivenMeta { age: self.age.map(|age| age.0), gender: self.gender, view: self.view }
    }
}

fn age(text: &str) -> Result<Age, String> {
    if text.eq_ignore_ascii_case(UNKNOWN) {
        return Ok(Age(None));
    }
    let years: Option<i32> = text.parse().ok().filter(|years| (0..=120).contains(years));
    years
        .map(|years| Age(Some(years)))
        .ok_or_else(|| "an age is 0 to 120 whole years, or `unknown`".to_owned())
}

fn gender(text: &str) -> Result<Gender, String> {
    match text.to_ascii_lowercase().as_str() {
        "m" => Ok(Gender::Male),
        "f" => Ok(Gender::Female),
        UNKNOWN => Ok(Gender::Unknown),
        _ => Err("a gender is M, F or unknown".to_owned()),
    }
}

fn view(text: &str) -> Result<ViewPosition, String> {
    match text.to_ascii_lowercase().as_str() {
        "pa" => Ok(ViewPosition::PA),
        "ap" => Ok(ViewPosition::AP),
        UNKNOWN => Ok(ViewPosition::Unknown),
        _ => Err("a view is PA, AP or unknown".to_owned()),
    }
}

/// Meta features in the words of the options.
pub(super) fn meta_json(meta: &MetaFeatures) -> Value {
    json!({ "age": meta.age, "gender": meta.gender.letter(), "view": meta.view.letters() })
}
