//! `reg show` and `reg cat`.

use std::collections::HashMap;
use std::io::IsTerminal;

use reg::dataset::statistics::Statistics;
use reg::digits::{counted, several};
use reg::hash::{Hash, Id};
use reg::limits;
use reg::listing::{self, ListedRun};
use reg::records::{self, CodecError, Header, Kind, Record, Table};
use reg::registry::{Registry, RegistryError};
use reg::report::results;
use reg::report::show::{RecordPage, of_dataset, of_run, of_split, origin};
use reg::training::unfinished;
use serde_json::{Value, json};

use super::counts::counts;
use super::error::Failure;
use super::marks::ResultRemark;
use super::output::{self, Reply, TableFormat};
use super::{Context, complete, marks};

/// Show a run, split, data set or table as a page: its content, inputs, dependent results and command
///
/// The page of a run has data, settings (those that are not the default are marked), results and learning
/// curves. Records of other kinds are shown as JSON; `reg --json show` and `reg cat` print the record itself.
#[derive(clap::Args)]
pub(crate) struct ShowArgs {
    /// Name or id
    #[arg(add = complete::anything())]
    id: String,
    /// Output format of a table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

/// Print the bytes of an object
#[derive(clap::Args)]
pub(crate) struct CatArgs {
    /// Name or id
    #[arg(add = complete::anything())]
    id: String,
}

pub(crate) fn run(context: &Context, args: ShowArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let note = match registry.resolve(&view, &args.id) {
        Ok(id) => registry.note(&view, &id)?,
        Err(_) => None,
    };
    let csv_and_others = !matches!(args.format, TableFormat::Text);
    let reply = without_note(context, args)?;
    Ok(match note {
        Some((id, note)) => {
            // In other formats only the table is printed.
            let said = if csv_and_others {
                String::new()
            } else {
                output::paragraphs(&format!("Note of {}: {}", note.time, note.text))
            };
            reply.with_note(&said, super::note::as_json(id, &note))
        }
        None => reply,
    })
}

fn without_note(context: &Context, args: ShowArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let id = match registry.resolve(&view, &args.id) {
        // A training in progress has no record yet.
        Err(e @ (RegistryError::Unknown { .. } | RegistryError::Removed { .. })) => {
            return unfinished::find(&registry, &args.id)
                .map(|unfinished| super::unfinished::reply(&unfinished))
                .ok_or(e.into());
        }
        resolved => resolved?,
    };
    if let Some(unfinished) = unfinished::find(&registry, &id.to_string()) {
        return Ok(super::unfinished::reply(&unfinished));
    }
    let kind = view.kind(&id)?;
    let marks = match kind {
        Some(_) => marks::warn_of_leaks_too(context, &registry, id)?,
        None => Vec::new(),
    };
    let names = view.names_by_id()?;
    let name = names.get(&id).map(String::as_str);
    // Of several names it is the one that was typed.
    let name = if view.name(&args.id)? == Some(id) { Some(args.id.as_str()) } else { name };
    if args.format != TableFormat::Text && kind != Some(Kind::Table) {
        let what = kind.map_or("an object", |kind| kind.descriptor().called);
        let failure = Failure::usage(format!("{} is {what}, and --format is for tables", args.id));
        return Err(failure.hinting(format!("`reg export {} -o FILE.csv` writes its tables", args.id)));
    }
    let page = match kind {
        Some(Kind::Table) => {
            let text = match registry.get::<Table>(Id::new(id))? {
                Table::Dataset(counted) => counts(&Statistics::from(&counted), args.format, &marks),
                Table::Comparison(c) => args.format.marked(results::main_tables(&c), &marks),
                Table::Auc(auc) => {
                    let title = auc_title(&registry, &names, &registry.store().read(&id)?);
                    args.format.marked(vec![results::auc(&title, &auc)], &marks)
                }
                table => args.format.marked(results::of(&table), &marks),
            };
            if args.format != TableFormat::Text {
                let document = document(&registry.store().read(&id)?).unwrap_or(Value::Null);
                return Ok(Reply::new(text, with_id(id, document)).marked(&marks));
            }
            Some((text, RecordPage::default()))
        }
        Some(Kind::Run) => Some((String::new(), of_run(&registry, &view, &names, Id::new(id))?)),
        Some(Kind::Split) => Some((String::new(), of_split(&registry, name, Id::new(id))?)),
        Some(Kind::Dataset) => Some((String::new(), of_dataset(&registry, name, Id::new(id))?)),
        Some(
            Kind::Weights
            | Kind::Software
            | Kind::Spec
            | Kind::Predictions
            | Kind::Study
            | Kind::Execution
            | Kind::Withdrawal
            | Kind::Note
            | Kind::PixelHashes
            | Kind::Removal
            | Kind::Event,
        )
        | None => None,
    };
    let size = registry.store().size(&id)?;
    if size > limits::RECORD {
        return Ok(object(id, size));
    }
    let bytes = registry.store().read(&id)?;
    // A record of another version is shown as it is; one with values that its kind does not allow says nothing.
    if let Err(source @ CodecError::Invalid { .. }) = records::check(&bytes) {
        return Err(RegistryError::Codec { id, source }.into());
    }
    let Some(document) = document(&bytes) else { return Ok(object(id, size)) };
    let Some((table, page)) = page else { return Ok(shown(id, document, &marks)) };
    let origin = origin(&registry, &view, &names, id)?;
    let mut json = with_id(id, document);
    json["name"] = json!(name);
    json["made_of"] = json!(origin.inputs);
    json["made"] = json!(origin.results);
    json["command"] = json!(origin.command);
    if kind == Some(Kind::Run) {
        let row = registry.run_row(&view, Id::new(id))?;
        json["run"] = json!(ListedRun::recorded(id, name.map(str::to_owned), row, &names));
    }
    let page = page.with_origin(&origin).render(output::width(), std::io::stdout().is_terminal());
    let parts: Vec<String> = [table, page].into_iter().filter(|part| !part.is_empty()).collect();
    let mark: String = marks
        .iter()
        .flat_map(ResultRemark::sentences)
        .map(|said| format!("This {} {said}.\n", kind.map_or("object", Kind::name)))
        .collect();
    Ok(Reply::new(parts.join("\n") + &mark, json).marked(&marks))
}

/// The record of a kind.
pub(super) fn record<T: Record>(context: &Context, text: &str) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let id = registry.resolve_as::<T>(&registry.view()?, text)?;
    let document = document(&registry.store().read(&id.hash)?).unwrap_or(Value::Null);
    Ok(shown(id.hash, document, &marks::warn(context, &registry, [id.hash])?))
}

fn document(bytes: &[u8]) -> Option<Value> {
    Header::read(bytes).ok().map(|header| Value::Object(header.document))
}

fn shown(id: Hash, document: Value, marks: &[ResultRemark]) -> Reply {
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    let mark: String =
        marks.iter().flat_map(ResultRemark::sentences).map(|said| format!(" {said}")).collect();
    Reply::new(format!("{id}{mark}\n{text}"), with_id(id, document)).marked(marks)
}

fn with_id(id: Hash, document: Value) -> Value {
    json!({ "id": id, "record": document })
}

fn object(id: Hash, bytes: u64) -> Reply {
    let short = id.short();
    let text = format!(
        "{id}\nan object of {}; `reg cat {short}` prints it, `reg trace --down {short}` shows what uses it",
        counted(bytes, "byte")
    );
    Reply::new(text, json!({ "id": id, "bytes": bytes }))
}

/// Whose AUCs a table holds, and of which images.
fn auc_title(registry: &Registry, names: &HashMap<Hash, String>, bytes: &[u8]) -> String {
    let Ok(header) = Header::read(bytes) else { return "AUC".to_owned() };
    let owners = listing::owners(registry, &header);
    let owners: Vec<String> =
        owners.iter().map(|id| names.get(id).cloned().unwrap_or_else(|| id.short())).collect();
    let images = listing::subset(registry, &header);
    let images = images.map_or(String::new(), |subset| format!(" on {} images", subset.in_words()));
    format!("AUC of {}{images}", several(&owners))
}

pub(crate) fn cat(context: &Context, args: CatArgs) -> Result<Reply, Failure> {
    if context.global.json {
        return Err(Failure::usage(
            "`reg cat` cannot be combined with --json: it prints the bytes of an object",
        ));
    }
    let registry = context.registry()?;
    let id = registry.resolve(&registry.view()?, &args.id)?;
    Ok(Reply::raw(registry.store().read(&id)?, Value::Null))
}
