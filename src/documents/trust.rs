//! Documents of the commands that trace, check and sign.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{OfUnknownAncestry, WithdrawnUse, schema};
use crate::diff::{DatasetDiff, Difference};
use crate::hash::Hash;

pub(super) fn add(all: &mut Vec<(&'static str, Value)>) {
    all.push(("trace", schema::<Trace>("reg trace", true)));
    all.push(("verify", schema::<Verify>("reg verify", false)));
    all.push(("reproduce", schema::<Reproduce>("reg reproduce", false)));
    all.push(("diff", schema::<Difference>("reg diff", false)));
    all.push(("dataset-diff", schema::<DatasetDiff>("reg dataset diff", false)));
    all.push(("withdraw", schema::<Withdraw>("reg withdraw", false)));
    all.push(("audit", schema::<Audit>("reg audit", false)));
    all.push(("audit-verify", schema::<AuditVerified>("reg audit verify", false)));
    all.push(("audit-check-program", schema::<CheckProgram>("reg audit check-program", false)));
    all.push(("attest", schema::<Attest>("reg attest", false)));
    all.push(("attest-verify", schema::<AttestVerified>("reg attest verify", false)));
    all.push(("key-new", schema::<KeyNew>("reg key new", false)));
    all.push(("key-public", schema::<KeyNew>("reg key public", false)));
}

/// The lineage of an object; with an image, a patient or a row and --down, the records that used the images.
#[derive(Serialize, JsonSchema)]
struct Trace {
    /// What was asked for.
    root: String,
    /// The objects of the lineage.
    nodes: Vec<BTreeMap<String, Value>>,
    /// The links, with their roles.
    edges: Vec<TracedEdge>,
    /// Results with withdrawn images.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<Vec<WithdrawnUse>>,
    /// Results whose models started from files of unknown origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_ancestry: Option<Vec<OfUnknownAncestry>>,
    /// The images that were asked for, with --down.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<Value>>,
    /// The records that used the images, by data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    datasets: Option<Vec<Value>>,
    /// Objects that could not be read, with the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<BTreeMap<String, String>>,
}

#[derive(Serialize, JsonSchema)]
struct TracedEdge {
    /// The referrer.
    from: Hash,
    /// The target: an input.
    to: Hash,
    /// The role of the link.
    role: String,
}

#[derive(Serialize, JsonSchema)]
struct Verify {
    /// Number of objects that were hashed again.
    checked: u64,
    /// Their bytes.
    bytes: u64,
    /// Objects with a problem, each with the results that it taints.
    damaged: Vec<Value>,
    /// Images that were purged, which is no damage.
    purged: Vec<Value>,
    /// Images that should have been purged but still exist.
    lingering: Vec<Value>,
    /// Names that contradict the log, and breaks in the log.
    names: Vec<String>,
    /// Removed records whose objects are here until `reg gc`.
    removed: Vec<Value>,
    /// Differences of index and objects.
    index: Vec<String>,
    /// Intact records that are not in the index.
    unregistered: Vec<Hash>,
    /// Files among the objects that are not objects.
    strangers: Vec<PathBuf>,
    /// Repaired objects, and where their bytes came from.
    repaired: Vec<(Hash, PathBuf)>,
    /// Number of recomputed tables, with --recompute.
    #[serde(skip_serializing_if = "Option::is_none")]
    recomputed: Option<u64>,
    /// Number of recomputed records by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    recomputed_kinds: Option<BTreeMap<String, u64>>,
    /// Recorded values that differ from the recomputed ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong: Option<Vec<Value>>,
    /// Records of rules that this reg does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_rules: Option<Vec<Value>>,
}

#[derive(Serialize, JsonSchema)]
struct Reproduce {
    /// Whether all outputs are the same to the last bit.
    identical: bool,
    /// The compared outputs.
    compared: Vec<String>,
    /// The outputs or values that differ.
    differences: Vec<Value>,
    /// What is different about the machine.
    environment: Vec<String>,
    /// Of a program: the largest difference between two scores of an image and a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    largest_score_difference: Option<f64>,
    /// Of a program: the largest difference between two AUCs of a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    largest_auc_difference: Option<f64>,
    /// Source files that have changed.
    sources: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Withdraw {
    /// The withdrawal.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Hash>,
    /// Whether it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<bool>,
    /// The patient or image.
    subject: Value,
    /// The reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The images that are covered now.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<Value>>,
    /// The data sets with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    datasets: Option<Vec<Value>>,
    /// Images of other patients with the same bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<Vec<String>>,
    /// Results with withdrawn images.
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<Value>>,
    /// The purged objects; null without --purge.
    #[serde(skip_serializing_if = "Option::is_none")]
    purged: Option<Option<Value>>,
    /// The revoked withdrawals, with --revoke.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<Vec<Hash>>,
    /// Withdrawals that still cover some of the images, with --revoke.
    #[serde(skip_serializing_if = "Option::is_none")]
    still_withdrawn: Option<Vec<Value>>,
}

#[derive(Serialize, JsonSchema)]
struct Audit {
    /// Always true; a bundle that is not sound is not written.
    ok: bool,
    /// The result.
    id: Hash,
    /// The bundle.
    file: PathBuf,
    /// Number of records in it.
    records: u64,
    /// Number of objects in it.
    objects: u64,
    /// Number of objects that are listed but not included.
    left_out: u64,
    /// Bytes of the bundle.
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct AuditVerified {
    /// Whether nothing is wrong.
    ok: bool,
    /// The result.
    id: Hash,
    /// Number of records.
    records: u64,
    /// Number of objects.
    objects: u64,
    /// Number of AUCs that were recomputed.
    aucs: u64,
    /// Tables that were recomputed.
    recomputed: Vec<Hash>,
    /// Tables whose numbers come from a network.
    uncomputed: Vec<Hash>,
    /// Data sets whose metadata has a format that this reg does not read.
    unread: Vec<Hash>,
    /// Records of rules that this reg does not have, a sentence each.
    other_rules: Vec<String>,
    /// Columns that hold scores of models with other names.
    renamed: Value,
    /// The withdrawn images in the result; null if there are none.
    withdrawn: Option<Value>,
    /// Withdrawals of images in the bundle.
    withdrawals: Vec<Value>,
    /// What is wrong, a sentence each.
    wrong: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct CheckProgram {
    /// The file that was written; null if the program was printed.
    file: Option<PathBuf>,
    /// BLAKE3 of the program.
    blake3: Hash,
    /// SHA-256 of the program.
    sha256: String,
    /// Its bytes.
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct Attest {
    /// The result; null for files that are handed out.
    id: Option<Hash>,
    /// The statement.
    file: PathBuf,
    /// Id of the key.
    keyid: String,
    /// Number of inputs in the statement.
    materials: u64,
    /// Number of byproducts in the statement.
    byproducts: u64,
    /// The files with their digests, with --files.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<Value>>,
}

#[derive(Serialize, JsonSchema)]
struct AttestVerified {
    /// Whether nothing is wrong.
    ok: bool,
    /// The result; null if the statement does not say.
    id: Option<Hash>,
    /// Id of the key.
    keyid: String,
    /// The result with its digests.
    subject: Value,
    /// Number of inputs in the statement.
    materials: u64,
    /// Number of byproducts in the statement.
    byproducts: u64,
    /// Files that were compared with the statement.
    files: Vec<Value>,
    /// What is wrong, a sentence each.
    wrong: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct KeyNew {
    /// The private key.
    private: PathBuf,
    /// The public key.
    public: PathBuf,
    /// Its id.
    keyid: String,
}
