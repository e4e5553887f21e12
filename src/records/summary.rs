//! One line on each kind of record, for lists and lineages.

use serde_json::{Map, Value};

use super::Header;

/// Says in one line what a record is, from its document.
pub fn summary(header: &Header) -> String {
    let document = &header.document;
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    let number = |key: &str| document.get(key).and_then(Value::as_u64).unwrap_or(0);
    let within = |path: &str| at(document, path).map(plain).unwrap_or_else(|| "?".to_owned());
    match header.kind.as_str() {
        "dataset" => {
            let what = if document.get("metadata_only") == Some(&Value::Bool(true)) {
                "rows of metadata"
            } else {
                "images"
            };
            format!("{} {what}, {} patients", number("images"), number("patients"))
        }
        "split" => {
            let folds = document.get("folds").and_then(Value::as_array).map_or(0, Vec::len);
            let folds = if folds == 1 { "1 fold".to_owned() } else { format!("{folds} folds") };
            match within("/method/type").as_str() {
                "resample" => {
                    let shares = ["/method/ratios/0", "/method/ratios/1", "/method/ratios/2"].map(within);
                    format!("{folds}, {} by patient, seed {}", shares.join("/"), within("/method/seed"))
                }
                _ => format!(
                    "{folds}, official lists, {} of them for validation",
                    within("/method/val_fraction")
                ),
            }
        }
        "weights" => format!("{} tensors, {} parameters", number("tensors"), number("parameters")),
        "software" => {
            let [numerics, libtorch, target] =
                ["/numerics/version", "/numerics/libtorch", "/numerics/target"].map(within);
            format!("reg-torch {}, numerics {numerics}, libtorch {libtorch}, {target}", text("worker"))
        }
        "spec" => format!(
            "{}, {}, fold {}, seed {}, {} epochs, {} threads, {}",
            within("/model/name"),
            text("init"),
            number("fold"),
            number("seed"),
            within("/training/epochs"),
            number("threads"),
            text("device"),
        ),
        "run" => format!(
            "epoch {} of {}, validation loss {}",
            number("best_epoch"),
            number("epochs"),
            rounded(document.get("val_loss"))
        ),
        "predictions" => {
            let fold = document.get("fold").and_then(Value::as_u64).map(|fold| format!(", fold {fold}"));
            let subset = document.get("subset").and_then(Value::as_str).map(|subset| format!(", {subset}"));
            format!(
                "{}{}{}, {} images",
                text("model"),
                fold.unwrap_or_default(),
                subset.unwrap_or_default(),
                number("images")
            )
        }
        "table" => match text("type").as_str() {
            "auc" => {
                format!("AUC, mean {} over {} labels", rounded(document.get("mean")), number("mean_over"))
            }
            "dataset" => format!("counts of {} images, {} patients", number("images"), number("patients")),
            "probe" => {
                let folds = document.get("folds").and_then(Value::as_array).map_or(0, Vec::len);
                let mean =
                    ["/result/auc/mean", "/result/mae/mean"].into_iter().find_map(|path| at(document, path));
                let (model, target) = (text("model"), text("target"));
                let plural = if folds == 1 { "" } else { "s" };
                format!("probe of {model} for {target}, {} over {folds} fold{plural}", rounded(mean))
            }
            "heat" => format!("Grad-CAM of {} on {}", text("label"), text("image")),
            "pointing" => format!("pointing game, {} of {} boxes", within("/all/hits"), within("/all/boxes")),
            _ => {
                let models = document.get("models").and_then(Value::as_array);
                let names = models.into_iter().flatten().filter_map(|model| model.get("name")).map(plain);
                let unfair =
                    document.get("unfair").and_then(Value::as_array).is_some_and(|why| !why.is_empty());
                let mark = if unfair { "NOT COMPARABLE: " } else { "" };
                format!("{mark}comparison of {}", names.collect::<Vec<_>>().join(", "))
            }
        },
        "study" => {
            let planned = |key: &str| document.get(key).and_then(Value::as_array).map_or(0, Vec::len);
            format!("{}, {} runs planned, {} probes", text("name"), planned("runs"), planned("probes"))
        }
        "execution" => format!(
            "{} on {}, {:.1} s",
            text("started"),
            text("host"),
            document.get("seconds").and_then(Value::as_f64).unwrap_or(0.0)
        ),
        "withdrawal" => {
            let who = ["/subject/patient", "/subject/name"].into_iter().find_map(|path| at(document, path));
            let what = within("/subject/type");
            let verb = match (document.get("revokes"), document.get("purge")) {
                (Some(_), _) => "no longer withdrawn",
                (None, Some(Value::Bool(true))) => "withdrawn and purged",
                _ => "withdrawn",
            };
            let who = who.map(plain).unwrap_or_default();
            format!("{what} {who} {verb} on {}: {}", text("time"), text("reason"))
        }
        "event" => {
            let names = document.get("names").and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(|change| change.get("name")).map(plain);
            format!("{} {}", text("time"), names.collect::<Vec<_>>().join(", "))
        }
        other => other.to_owned(),
    }
}

fn at<'a>(document: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (key, rest) = path[1..].split_once('/')?;
    document.get(key)?.pointer(&format!("/{rest}"))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn rounded(value: Option<&Value>) -> String {
    value.and_then(Value::as_f64).map_or("n/a".to_owned(), |number| {
        if number.abs() < 1e4 { format!("{number:.4}") } else { format!("{number:.2e}") }
    })
}
