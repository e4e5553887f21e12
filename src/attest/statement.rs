//! The statement: a result, its inputs, and the programs that computed it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::AttestError;
use crate::disk::Doing;
use crate::hash::{Digest, Hash, Hasher};
use crate::lineage::{Direction, Graph, Node, NodeKind, trace};
use crate::records::codec::Header;
use crate::records::{Git, Kind, PackedKind, RecordClass, Travels};
use crate::registry::{Registry, RegistryError};
use crate::store::StoreError;
use crate::withdrawal::{Marks, Withdrawn};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The predicate type: SLSA provenance.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// Identifies the meaning of the parameters, which `docs/src/attest.md` defines.
const BUILD_TYPE: &str = "urn:reg:result:1";
/// The same of a statement about files that are handed out.
const FILES_TYPE: &str = "urn:reg:files:1";

/// An in-toto Statement v1 with an SLSA provenance v1 predicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    statement_type: String,
    /// The result, exactly one; or files, sorted by name.
    pub subject: Vec<Artifact>,
    predicate_type: String,
    predicate: Predicate,
}

/// A resource descriptor of in-toto: something with bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Kind, or role of a file, and the first digits of its id.
    pub name: String,
    /// `sha256`, and `blake3`, which is its id.
    pub digest: BTreeMap<String, String>,
    /// Number of bytes, kind of record and role in the lineage.
    #[serde(default)]
    pub annotations: BTreeMap<String, Value>,
}

/// The annotation of permanently removed objects.
const PURGED: &str = "purged";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: Value,
    internal_parameters: Value,
    resolved_dependencies: Vec<Artifact>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunDetails {
    builder: Builder,
    metadata: Value,
    byproducts: Vec<Artifact>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Builder {
    id: String,
    version: BTreeMap<String, String>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Builder {
    /// This version of reg.
    fn this() -> Self {
        Builder {
            id: format!("urn:reg:{VERSION}"),
            version: BTreeMap::from([("reg".to_owned(), VERSION.to_owned())]),
        }
    }
}

impl Artifact {
    /// Its SHA-256 in hex digits.
    pub fn sha256(&self) -> Option<&str> {
        self.digest.get("sha256").map(String::as_str)
    }

    /// Whether it had been permanently removed when the statement was made, so that it could not be hashed.
    pub fn is_purged(&self) -> bool {
        self.annotations.get(PURGED) == Some(&Value::Bool(true))
    }

    /// Its id in a registry.
    pub fn id(&self) -> Option<Hash> {
        self.digest.get("blake3")?.parse().ok()
    }
}

impl Statement {
    /// All inputs of the result.
    pub fn materials(&self) -> &[Artifact] {
        &self.predicate.build_definition.resolved_dependencies
    }

    /// The intermediate results.
    pub fn byproducts(&self) -> &[Artifact] {
        &self.predicate.run_details.byproducts
    }

    /// Subject, materials and by-products.
    pub fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        self.subject.iter().chain(self.materials()).chain(self.byproducts())
    }

    /// Whether it is about files that are handed out, and not about a result of a registry.
    pub fn is_of_files(&self) -> bool {
        self.predicate.build_definition.build_type == FILES_TYPE
    }

    /// The statement about files with these names, of this version of reg and a state of its source tree.
    pub(super) fn of_files(files: Vec<(String, Digest)>, git: Option<&Git>) -> Self {
        let artifact = |(name, digest): (String, Digest)| Artifact {
            name,
            digest: BTreeMap::from([
                ("blake3".to_owned(), digest.blake3.to_string()),
                ("sha256".to_owned(), digest.sha256.digits()),
            ]),
            annotations: BTreeMap::from([("bytes".to_owned(), Value::from(digest.bytes))]),
        };
        Statement {
            statement_type: STATEMENT_TYPE.to_owned(),
            subject: files.into_iter().map(artifact).collect(),
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                build_definition: BuildDefinition {
                    build_type: FILES_TYPE.to_owned(),
                    external_parameters: json!({ "version": VERSION, "git": git }),
                    internal_parameters: json!({}),
                    resolved_dependencies: Vec::new(),
                },
                run_details: RunDetails {
                    builder: Builder::this(),
                    metadata: json!({}),
                    byproducts: Vec::new(),
                },
            },
        }
    }

    /// Asserts that it has the expected types.
    pub(super) fn checked(self) -> Result<Self, String> {
        let of_files = self.is_of_files();
        let types = [
            (&self.statement_type, STATEMENT_TYPE),
            (&self.predicate_type, PREDICATE_TYPE),
            (&self.predicate.build_definition.build_type, if of_files { FILES_TYPE } else { BUILD_TYPE }),
        ];
        if let Some((found, expected)) = types.into_iter().find(|(found, expected)| found != expected) {
            return Err(format!("its type is {found:?}, expected {expected:?}"));
        }
        let bare = |artifact: &&Artifact| {
            artifact.id().is_none() || artifact.sha256().is_none() && !artifact.is_purged()
        };
        let bare = self.artifacts().find(bare);
        if let Some(artifact) = bare {
            return Err(format!("{:?} has no digest", artifact.name));
        }
        if self.subject.is_empty() {
            return Err("it has no subject".to_owned());
        }
        Ok(self)
    }
}

/// Makes the statement about `root` and its lineage. Every object of the lineage is hashed, except for images,
/// which the manifests identify by both hashes.
///
/// # Errors
/// An object that is not a record, and damaged or missing objects in the lineage.
pub fn state(registry: &Registry, root: Hash) -> Result<Statement, AttestError> {
    let view = registry.view()?;
    // An image or a checkpoint alone has no inputs and no withdrawals.
    if view.kind(&root)?.is_none() {
        return Err(AttestError::NotARecord(root));
    }
    let graph = trace(registry, &view, root, Direction::Up)?;
    let parts = parts(&graph);
    let withdrawn = Withdrawn::known(registry, &view)?;
    let mut documents: BTreeMap<Kind, BTreeMap<Hash, Value>> = BTreeMap::new();
    let (mut subject, mut materials, mut byproducts) = (Vec::new(), Vec::new(), Vec::new());
    for node in graph.nodes().iter().filter(|node| node.kind != NodeKind::Image) {
        let part = parts.get(&node.id);
        let (role, by) = (part.map(|(role, _)| &**role), part.and_then(|(_, by)| *by));
        // The picture of a heat map that was removed for good is named by what it was.
        let purged = !registry.store().contains(&node.id) && withdrawn.gone(&node.id).is_some();
        let artifact = artifact(registry, node, role, purged)?;
        let document = || -> Result<Value, AttestError> {
            let source = |source| crate::registry::RegistryError::Codec { id: node.id, source };
            let bytes = registry.store().read(&node.id)?;
            Ok(Value::Object(Header::read(&bytes).map_err(source)?.document))
        };
        if let Some(kind @ (Kind::Spec | Kind::Software | Kind::Execution)) = node.kind.record() {
            documents.entry(kind).or_default().insert(node.id, document()?);
        }
        if node.id == root {
            subject.push(artifact);
        } else if is_product(&node.kind, by) {
            byproducts.push(artifact);
        } else {
            materials.push(artifact);
        }
    }
    for artifacts in [&mut materials, &mut byproducts] {
        artifacts.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
    }
    let of = |kind: Kind| documents.get(&kind).cloned().unwrap_or_default();
    let started = of(Kind::Execution)
        .into_values()
        .filter_map(|document| document.get("started").and_then(Value::as_str).map(str::to_owned));
    // All times are UTC in one form, so the first in text order is the earliest.
    let metadata = started.min().map_or_else(|| json!({}), |started| json!({ "startedOn": started }));
    let mut internal = json!({ "executions": of(Kind::Execution), "software": of(Kind::Software) });
    if let Some(mark) = Marks::open(registry, &view)?.of(&root) {
        internal["withdrawn"] = json!(mark);
    }
    Ok(Statement {
        statement_type: STATEMENT_TYPE.to_owned(),
        subject,
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: json!({ "result": root, "specs": of(Kind::Spec) }),
                internal_parameters: internal,
                resolved_dependencies: materials,
            },
            run_details: RunDetails { builder: Builder::this(), metadata, byproducts },
        },
    })
}

/// The part that each object plays for whoever named it first, and the kind of that.
fn parts(graph: &Graph) -> HashMap<Hash, (Cow<'_, str>, Option<Kind>)> {
    let mut parts = HashMap::new();
    for edge in graph.edges.iter().filter(|edge| !edge.is_image()) {
        let by = graph.kind(&edge.from);
        // An execution names what it made, and stands beside it.
        let (id, role) = match edge.is_made() {
            true => (edge.from, Kind::Execution.name().into()),
            false => (edge.to, edge.role.text()),
        };
        parts.entry(id).or_insert((role, by));
    }
    parts
}

/// Whether something that is named by a record of this kind was made by a computation, and not given to it.
fn is_product(kind: &NodeKind, by: Option<Kind>) -> bool {
    match kind {
        NodeKind::Record(kind) => {
            let kind = kind.descriptor();
            kind.travels == Travels::WithInputs || kind.class == RecordClass::Derived
        }
        NodeKind::Packed(PackedKind::Scores | PackedKind::PixelDigests) => true,
        NodeKind::Packed(PackedKind::Manifest | PackedKind::Boxes | PackedKind::Assignment) => false,
        NodeKind::File => by == Some(Kind::Run),
        NodeKind::Image | NodeKind::Missing | NodeKind::Unknown(_) => false,
    }
}

/// The descriptor of an object, with recomputed hashes.
fn artifact(
    registry: &Registry,
    node: &Node,
    role: Option<&str>,
    purged: bool,
) -> Result<Artifact, AttestError> {
    let called = match node.kind.record() {
        Some(kind) => kind.name(),
        None => role.unwrap_or(node.kind.name()),
    };
    let name = format!("{called}-{}", node.id.short());
    let mut digests = BTreeMap::from([("blake3".to_owned(), node.id.to_string())]);
    let mut annotations = BTreeMap::from([("kind".to_owned(), Value::from(node.kind.to_string()))]);
    if let Some(role) = role {
        annotations.insert("role".to_owned(), Value::from(role));
    }
    if purged {
        annotations.insert(PURGED.to_owned(), Value::from(true));
        return Ok(Artifact { name, digest: digests, annotations });
    }
    let unsound =
        |what| AttestError::Unsound { role: role.unwrap_or(node.kind.name()).to_owned(), id: node.id, what };
    let mut hasher = Hasher::both();
    match registry.store().open_object(&node.id) {
        Ok((file, _)) => {
            hasher.read(file).doing("read", &registry.store().path(&node.id))?;
        }
        Err(StoreError::Missing { .. }) => return Err(unsound("missing")),
        Err(e) => return Err(RegistryError::Store(e).into()),
    }
    let digest = hasher.digest();
    if digest.blake3 != node.id {
        return Err(unsound("damaged"));
    }
    digests.insert("sha256".to_owned(), digest.sha256.digits());
    annotations.insert("bytes".to_owned(), Value::from(digest.bytes));
    Ok(Artifact { name, digest: digests, annotations })
}
