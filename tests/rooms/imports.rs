//! Which file of `src` imports which: paths in the code, followed through re-exports to the file that defines the name.
//!
//! Read as text: what a method call or a macro reaches is not seen, and unit tests are left out. A module and what lies
//! below it are one house of several floors: that a file uses what the modules around it declare is no import, though
//! what such a module takes from its own files is one.

use std::collections::{BTreeMap, BTreeSet};

/// A crate of the sources: its name in the paths of other crates, the file of its root, the folder of its modules.
struct Crate {
    name: &'static str,
    root: &'static str,
    folder: &'static str,
}

const CRATES: &[Crate] = &[
    Crate { name: "reg", root: "lib.rs", folder: "" },
    Crate { name: "", root: "main.rs", folder: "" },
    Crate { name: "", root: "tensor/main.rs", folder: "tensor/" },
];

/// The names that a file takes from another, by both files.
pub(crate) type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A module with a file of its own.
#[derive(Default)]
struct Module {
    tokens: Vec<String>,
    /// Modules below it that have files, by name.
    children: BTreeMap<String, String>,
    parent: Option<String>,
    root: String,
    /// What `use` names, by the name it has here: the path, and the module in which it starts.
    bound: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Items that it defines.
    items: BTreeSet<String>,
    /// Names that it imports for itself, not only to hand them on.
    taken: Vec<Vec<String>>,
}

/// The imports among files, which are given with their texts.
pub(crate) fn imports(files: &[(String, String)]) -> Imports {
    let modules = modules(files);
    let mut imports = Imports::new();
    for (file, module) in &modules {
        let mut taken = module.taken.clone();
        taken.extend(inline(module));
        for path in taken {
            let Some((other, name)) = defining(&modules, file, &path, 0) else { continue };
            if other != *file && !encloses(&modules, &other, file) {
                imports.entry(file.clone()).or_default().entry(other).or_default().insert(name);
            }
        }
    }
    imports
}

/// Whether a file declares the module of another one, or a module around it.
fn encloses(modules: &BTreeMap<String, Module>, outer: &str, inner: &str) -> bool {
    let parent = |file: &String| modules.get(file)?.parent.clone();
    std::iter::successors(parent(&inner.to_owned()), parent).any(|around| around == outer)
}

/// The files that one imports, and those that these import, and so on.
fn reach<'i>(imports: &'i Imports, from: &'i String) -> BTreeSet<&'i String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        let imported = imports.get(file).into_iter().flat_map(BTreeMap::keys);
        open.extend(imported.filter(|to| reached.insert(*to)));
    }
    reached
}

/// Files that import each other, in one circle or several.
pub(crate) fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        imports.keys().map(|file| (file, reach(imports, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in reached.iter().filter(|(file, others)| others.contains(*file)) {
        let back =
            others.iter().filter(|other| reached.get(**other).is_some_and(|back| back.contains(*file)));
        circles.insert(back.map(|other| (*other).clone()).collect::<Vec<_>>());
    }
    circles.into_iter().collect()
}

/// A circle in words, a line an import.
pub(crate) fn told(imports: &Imports, circle: &[String]) -> String {
    let mut lines = Vec::new();
    for from in circle {
        for (to, names) in imports[from].iter().filter(|(to, _)| circle.contains(to)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("src/{from} takes {} from src/{to}", names.join(", ")));
        }
    }
    lines.join("\n")
}

/// The modules of all crates, by file.
fn modules(files: &[(String, String)]) -> BTreeMap<String, Module> {
    let mut modules = BTreeMap::new();
    for of in CRATES {
        let mut open = vec![(of.root.to_owned(), of.folder.to_owned(), None)];
        while let Some((file, folder, parent)) = open.pop() {
            let Some((_, text)) = files.iter().find(|(path, _)| *path == file) else { continue };
            let mut module =
                Module { tokens: tokens(text), parent, root: of.root.to_owned(), ..Module::default() };
            without_tests(&mut module.tokens);
            read(&mut module);
            for child in module.tokens.windows(3).filter(|three| three[0] == "mod" && three[2] == ";") {
                let name = &child[1];
                let places = [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")];
                let Some(place) =
                    places.into_iter().find(|place| files.iter().any(|(path, _)| path == place))
                else {
                    continue;
                };
                module.children.insert(name.clone(), place.clone());
                open.push((place, format!("{folder}{name}/"), Some(file.clone())));
            }
            modules.insert(file, module);
        }
    }
    modules
}

/// Names, `::` and single marks; without comments and literals.
fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let find = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        (from..text.len()).find(|at| text[*at..].starts_with(&end)).map_or(text.len(), |at| at + end.len())
    };
    while at < text.len() {
        let rest = &text[at..];
        let hashes = rest.iter().skip(1).take_while(|c| **c == '#').count();
        if rest.starts_with(&['/', '/']) {
            at = find(at, "\n");
        } else if rest.starts_with(&['/', '*']) {
            at = find(at, "*/");
        } else if rest[0] == 'r' && rest.get(hashes + 1) == Some(&'"') {
            at = find(at + hashes + 2, &format!("\"{}", "#".repeat(hashes)));
        } else if rest[0] == '"' {
            at += 1;
            while at < text.len() && text[at] != '"' {
                at += if text[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if rest[0] == '\'' && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) {
            at = find(at + if rest[1] == '\\' { 3 } else { 2 }, "'");
        } else if is_name(rest[0]) {
            let name: String = rest.iter().take_while(|c| is_name(**c)).collect();
            at += name.chars().count();
            tokens.push(name);
        } else if rest.starts_with(&[':', ':']) {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !rest[0].is_whitespace() {
                tokens.push(rest[0].to_string());
            }
            at += 1;
        }
    }
    tokens
}

/// The end of the item at a place: behind its `;`, or behind the braces that it opens.
fn end_of_item(tokens: &[String], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && (token == ";" || token == "}") {
            return at + 1;
        }
    }
    tokens.len()
}

fn without_tests(tokens: &mut Vec<String>) {
    let begin = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(String::as_str).take(begin.len()).eq(begin) {
            at = end_of_item(tokens, at + begin.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    *tokens = kept;
}

/// Reads the `use` lines and the items of a module.
fn read(module: &mut Module) {
    let mut at = 0;
    let tokens = module.tokens.clone();
    let mut rest = Vec::new();
    let mut handed_on = Vec::new();
    while at < tokens.len() {
        if tokens[at] == "use" {
            let end = end_of_item(&tokens, at);
            let mut found = Vec::new();
            tree(&tokens[at + 1..end - 1], &mut 0, &[], &mut found);
            let public = rest.last().is_some_and(|last| last == "pub" || last == ")");
            for (path, name) in found {
                if path.last().is_some_and(|last| last == "*") {
                    module.globs.push(path[..path.len() - 1].to_vec());
                    continue;
                }
                if public {
                    handed_on.push((name.clone(), path.clone()))
                } else {
                    module.taken.push(path.clone())
                }
                module.bound.insert(name, path);
            }
            at = end;
            continue;
        }
        rest.push(tokens[at].clone());
        at += 1;
    }
    let kinds = ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "macro_rules"];
    for two in rest.windows(2).filter(|two| kinds.contains(&two[0].as_str())) {
        module.items.insert(two[1].clone());
    }
    // What is handed on is imported only if it is used here too.
    let used: BTreeSet<&String> = rest.iter().collect();
    module.taken.extend(handed_on.into_iter().filter(|(name, _)| used.contains(name)).map(|(_, path)| path));
    module.tokens = rest;
}

/// Paths of a tree behind `use`, each with the name that it gives.
fn tree(tokens: &[String], at: &mut usize, above: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let mut path = above.to_vec();
    while *at < tokens.len() {
        let token = tokens[*at].as_str();
        *at += 1;
        match token {
            "::" => {}
            "{" => {
                while *at < tokens.len() && tokens[*at] != "}" {
                    tree(tokens, at, &path, found);
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "," | "}" => {
                *at -= 1;
                break;
            }
            "as" => {
                let name = tokens[*at].clone();
                *at += 1;
                found.push((path, name));
                return;
            }
            "self" if !path.is_empty() => {}
            _ => path.push(token.to_owned()),
        }
    }
    if path.len() > above.len() || tokens.get(at.wrapping_sub(1)).is_some_and(|token| token == "self") {
        let name = path.last().cloned().unwrap_or_default();
        found.push((path, name));
    }
}

/// Paths of two names or more in the code itself.
fn inline(module: &Module) -> Vec<Vec<String>> {
    let tokens = &module.tokens;
    let is_name = |token: &str| token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_name(&tokens[at]) && (at == 0 || ![".", "::"].contains(&tokens[at - 1].as_str()));
        let mut path = vec![tokens[at].clone()];
        at += 1;
        while begins && at + 1 < tokens.len() && tokens[at] == "::" && is_name(&tokens[at + 1]) {
            path.push(tokens[at + 1].clone());
            at += 2;
        }
        if path.len() > 1 {
            paths.push(path);
        }
    }
    paths
}

/// The file that defines what a path means in a file, and the name; none for another crate's, and for a module.
fn defining(
    modules: &BTreeMap<String, Module>,
    file: &str,
    path: &[String],
    depth: usize,
) -> Option<(String, String)> {
    if depth > 16 {
        return None;
    }
    let module = &modules[file];
    let (first, rest) = path.split_first()?;
    let next = match first.as_str() {
        "crate" => Some(module.root.clone()),
        "self" => Some(file.to_owned()),
        "super" => module.parent.clone(),
        name => {
            let other = CRATES.iter().find(|of| of.name == name).map(|of| of.root.to_owned());
            module.children.get(name).cloned().or(other.filter(|_| module.root != "lib.rs"))
        }
    };
    if let Some(next) = next {
        return defining(modules, &next, rest, depth + 1);
    }
    if module.items.contains(first) {
        return Some((file.to_owned(), first.clone()));
    }
    if let Some(bound) = module.bound.get(first) {
        // A name that stands for itself, such as a crate's.
        if bound.first() == Some(first) && bound.len() == 1 {
            return None;
        }
        let whole: Vec<String> = bound.iter().chain(rest).cloned().collect();
        return defining(modules, file, &whole, depth + 1);
    }
    module.globs.iter().find_map(|glob| {
        let whole: Vec<String> = glob.iter().chain(path).cloned().collect();
        defining(modules, file, &whole, depth + 1).filter(|(_, name)| name == first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Imports {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        imports(&files.collect::<Vec<_>>())
    }

    fn pairs(imports: &Imports) -> Vec<String> {
        let of = |(from, to): (&String, &BTreeMap<String, BTreeSet<String>>)| {
            to.keys().map(|to| format!("{from} > {to}")).collect::<Vec<_>>()
        };
        imports.iter().flat_map(of).collect()
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        let found = of(&[
            ("lib.rs", "pub mod a;\npub mod b;\npub mod c;"),
            ("a/mod.rs", "mod one; pub(crate) use one::{One, two as deux};"),
            ("a/one.rs", "pub struct One; pub fn two() {} // crate::c::C"),
            (
                "b.rs",
                "use crate::a::{self, One as Uno}; fn f() -> &'static str { a::deux(); \"crate::c::C\" }",
            ),
            ("c.rs", "use std::fmt; pub(super) struct C; #[cfg(test)] mod tests { use crate::b::f; }"),
        ]);
        assert_eq!(pairs(&found), ["b.rs > a/one.rs"], "nothing else: no hand-on, comment, text or test");
        assert_eq!(found["b.rs"]["a/one.rs"].iter().collect::<Vec<_>>(), ["One", "two"]);
    }

    #[test]
    fn circles_of_any_length_are_found_and_told() {
        let found = of(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "pub struct B(super::c::C);"),
            ("c.rs", "pub struct C; fn f(a: &crate::a::A) {}"),
        ]);
        assert_eq!(circles(&found), [["a.rs", "b.rs", "c.rs"]]);
        let said = told(&found, &circles(&found)[0]);
        assert!(said.contains("src/b.rs takes C from src/c.rs"), "{said}");
    }

    #[test]
    fn a_file_may_use_what_is_around_it_but_not_turn_back_beside_it() {
        let around = of(&[
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod one; pub struct Kit; fn f() { one::f() }"),
            ("a/one.rs", "use super::Kit; pub fn f() {}"),
            ("b.rs", ""),
        ]);
        assert_eq!(pairs(&around), ["a/mod.rs > a/one.rs"]);
        let beside = of(&[
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod one; pub struct Kit; fn f() { one::f() }"),
            ("a/one.rs", "use crate::b::g; pub fn f() {}"),
            ("b.rs", "use crate::a::Kit; pub fn g() {}"),
        ]);
        assert_eq!(circles(&beside), [["a/mod.rs", "a/one.rs", "b.rs"]]);
    }
}
