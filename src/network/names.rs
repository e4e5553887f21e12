//! Names of layers.

use std::collections::BTreeSet;

/// Whether a part of a name has letters, digits and `_`.
pub(super) fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Attributes of PyTorch's `Module` (2.11), whose place a layer of that name would take in `model.py`. The others begin
/// with `_`.
const ATTRIBUTES: [&str; 54] = [
    "T_destination",
    "add_module",
    "apply",
    "bfloat16",
    "buffers",
    "call_super_init",
    "children",
    "compile",
    "cpu",
    "cuda",
    "double",
    "dump_patches",
    "eval",
    "extra_repr",
    "float",
    "forward",
    "get_buffer",
    "get_extra_state",
    "get_parameter",
    "get_submodule",
    "half",
    "ipu",
    "load_state_dict",
    "modules",
    "mtia",
    "named_buffers",
    "named_children",
    "named_modules",
    "named_parameters",
    "parameters",
    "register_backward_hook",
    "register_buffer",
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
    "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook",
    "register_module",
    "register_parameter",
    "register_state_dict_post_hook",
    "register_state_dict_pre_hook",
    "requires_grad_",
    "set_extra_state",
    "set_submodule",
    "share_memory",
    "state_dict",
    "to",
    "to_empty",
    "train",
    "training",
    "type",
    "xpu",
    "zero_grad",
];
/// Methods of the exported network itself.
const METHODS: [&str; 11] = [
    "batch_norm",
    "conv",
    "conv_pool",
    "convolution",
    "dense",
    "dense_block",
    "made",
    "max_pool",
    "norm",
    "residual",
    "transition",
];

/// Whether a name has a part that is the name of something else in an exported network.
pub(super) fn is_attribute(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or_default();
    METHODS.contains(&first)
        || name.split('.').any(|part| part.starts_with('_') || ATTRIBUTES.contains(&part))
}

/// A name like the wanted one that no layer has, nor is it the beginning of one.
pub(super) fn another_name(wanted: &str, taken: &BTreeSet<String>) -> String {
    const LONGEST: usize = 64;
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let parts = wanted.split('.').map(|part| part.chars().map(plain).collect::<String>());
    let parts = parts.map(|part| part.trim_start_matches('_').to_owned()).filter(|part| !part.is_empty());
    // Neither an attribute nor a method has such a name.
    let parts = parts.map(|part| if is_attribute(&part) { format!("{part}_1") } else { part });
    let parts: Vec<String> = parts.collect();
    let mut name = parts.join(".");
    name.truncate(LONGEST);
    let name = name.trim_end_matches('.');
    let name = if name.is_empty() { "own" } else { name };
    let is_taken =
        |name: &String| taken.iter().any(|taken| taken == name || taken.starts_with(&format!("{name}.")));
    let numbered = (2u32..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !is_taken(name)).expect("there are more numbers than layers")
}
