//! The layers of the core and of the C ABI: every import points down the list of modules in `src/lib.rs` or
//! `ffi/src/lib.rs`, and no files import each other in a circle.
//!
//! The test reads every `crate::`, `super::` and `self::` path of every source file, wherever it stands, as tokens. A file
//! imports the file in which such a path ends. The file of a module also imports the modules that it declares. Unit tests
//! may import what they like and are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module as its path from the root, such as `noise::stream`; the root itself is empty.
type Module = Vec<String>;

/// The source of every module.
type Sources = BTreeMap<Module, String>;

/// A path that starts with `crate`, `super` or `self`, in its segments.
type Segments = Vec<String>;

/// The sources of the libraries, each with its folder.
fn libraries() -> [(&'static str, Sources); 2] {
    ["../src", "src"].map(|folder| (folder, sources(folder)))
}

fn sources(folder: &str) -> Sources {
    fn read(folder: &Path, module: &Module, sources: &mut Sources) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut inner = module.clone();
            if path.is_dir() {
                inner.push(name);
                read(&path, &inner, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                if name != "mod" && name != "lib" {
                    inner.push(name);
                }
                sources.insert(inner, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut sources = Sources::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &Vec::new(), &mut sources);
    sources
}

fn tokens(source: &str) -> Vec<TokenTree> {
    TokenStream::from_str(source).unwrap().into_iter().collect()
}

fn is_punct(token: Option<&TokenTree>, punct: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == punct)
}

/// True if a path goes on with `::` at this place.
fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Adds the paths that go on behind `path`: one, or one for each branch of a group.
fn add_branches(tokens: &[TokenTree], mut at: usize, path: &Segments, paths: &mut Vec<Segments>) {
    let mut path = path.clone();
    while is_separator(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| is_punct(Some(token), ',')) {
                    if let [TokenTree::Ident(name), ..] = branch {
                        let mut path = path.clone();
                        path.push(name.to_string());
                        add_branches(branch, 1, &path, paths);
                    }
                }
                return;
            }
            _ => break,
        }
        at += 3;
    }
    paths.push(path);
}

/// Adds every path that starts with `crate`, `super` or `self`, except in items for tests.
fn add_paths(tokens: &[TokenTree], paths: &mut Vec<Segments>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                if is_punct(at.checked_sub(1).and_then(|before| tokens.get(before)), '#')
                    && group.stream().to_string() == "cfg (test)"
                {
                    // The item ends with its block or with a semicolon.
                    let ends = |token: &TokenTree| match token {
                        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                        token => is_punct(Some(token), ';'),
                    };
                    at += tokens[at..].iter().position(ends).unwrap();
                } else {
                    add_paths(&inner, paths);
                }
            }
            TokenTree::Ident(name) if is_separator(tokens, at + 1) => {
                let goes_on = at >= 2 && is_separator(tokens, at - 2);
                let name = name.to_string();
                if !goes_on && ["crate", "super", "self"].contains(&name.as_str()) {
                    add_branches(tokens, at + 1, &vec![name], paths);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The names that the root exports, each with the module that it comes from.
fn exports(sources: &Sources) -> BTreeMap<String, Module> {
    let root = tokens(&sources[&Vec::new()]);
    let mut exports = BTreeMap::new();
    for at in 0..root.len() {
        if let [TokenTree::Ident(word), TokenTree::Ident(first), ..] = &root[at..]
            && *word == "use"
        {
            let mut paths = Vec::new();
            add_branches(&root, at + 2, &vec![first.to_string()], &mut paths);
            for mut path in paths {
                let name = path.pop().unwrap();
                exports.insert(name, path);
            }
        }
    }
    exports
}

/// The files that each file imports, as modules.
fn imports(sources: &Sources) -> BTreeMap<Module, BTreeSet<Module>> {
    let exports = exports(sources);
    let mut imports = BTreeMap::new();
    for (module, source) in sources {
        let mut paths = Vec::new();
        add_paths(&tokens(source), &mut paths);
        let mut imported: BTreeSet<Module> =
            paths.iter().map(|path| resolve(path, module, sources, &exports)).collect();
        // A module's file declares its children.
        imported.extend(
            sources.keys().filter(|child| child.split_last().is_some_and(|(_, parent)| parent == module)).cloned(),
        );
        imported.remove(module);
        imports.insert(module.clone(), imported);
    }
    imports
}

/// The module in whose file a path ends.
fn resolve(path: &Segments, module: &Module, sources: &Sources, exports: &BTreeMap<String, Module>) -> Module {
    let mut here = module.clone();
    let mut rest = path.iter();
    for segment in path {
        match segment.as_str() {
            "crate" => here.clear(),
            "super" => drop(here.pop()),
            "self" => {}
            _ => break,
        }
        rest.next();
    }
    for segment in rest {
        let mut inner = here.clone();
        inner.push(segment.clone());
        if sources.contains_key(&inner) {
            here = inner;
        } else {
            if here.is_empty() {
                let from = exports.get(segment);
                here =
                    from.unwrap_or_else(|| panic!("{}: no export for {}", module.join("::"), path.join("::"))).clone();
            }
            break;
        }
    }
    here
}

/// The order of the modules, from the list in the documentation of the root.
fn order(sources: &Sources) -> Vec<String> {
    let lines = sources[&Vec::new()].lines();
    let order: Vec<String> = lines
        .filter_map(|line| line.strip_prefix("//! - `")?.split_once("`: "))
        .map(|(name, _)| name.to_owned())
        .collect();
    let modules: BTreeSet<&String> = sources.keys().filter_map(|module| module.first()).collect();
    assert_eq!(order.iter().collect::<BTreeSet<_>>(), modules, "lib.rs lists every module once");
    order
}

/// The imports that point up, as sentences.
fn imports_that_point_up(sources: &Sources) -> Vec<String> {
    let order = order(sources);
    let place = |module: &Module| module.first().map(|name| order.iter().position(|listed| listed == name));
    let mut wrong = Vec::new();
    for (module, imported) in imports(sources) {
        // The root stands above the list.
        let Some(from) = place(&module) else { continue };
        for import in imported {
            if place(&import).is_none_or(|to| to < from) {
                wrong.push(format!("{} imports {}", module.join("::"), import.join("::")));
            }
        }
    }
    wrong
}

/// A circle of imports, if there is one: every module of it imports the next, and the last one the first.
fn circle(sources: &Sources) -> Option<Vec<String>> {
    fn visit(
        module: &Module,
        imports: &BTreeMap<Module, BTreeSet<Module>>,
        path: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|visited| visited == module) {
            return Some(path[start..].iter().map(|module| module.join("::")).collect());
        }
        if !done.contains(module) {
            path.push(module.clone());
            let found = imports[module].iter().find_map(|import| visit(import, imports, path, done));
            path.pop();
            done.insert(module.clone());
            return found;
        }
        None
    }
    let mut imports = imports(sources);
    // The root declares every module, and its exports are resolved to the modules that they come from.
    imports.remove(&Vec::new());
    for imported in imports.values_mut() {
        imported.remove(&Vec::new());
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|module| visit(module, &imports, &mut Vec::new(), &mut done))
}

#[test]
fn every_import_points_down_the_list_in_lib_rs() {
    for (folder, sources) in libraries() {
        let wrong = imports_that_point_up(&sources);
        assert!(wrong.is_empty(), "{folder}: these imports point up:\n{}", wrong.join("\n"));
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for (folder, sources) in libraries() {
        let circle = circle(&sources);
        assert!(circle.is_none(), "{folder}: a circle of imports: {circle:?}");
    }
}

/// A library of two layers, in which `above` imports `below`.
fn two_layers() -> Sources {
    let file = |module: &str, source: &str| {
        (module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect(), source.to_owned())
    };
    Sources::from([
        file(
            "",
            "//! - `above`: first\n//! - `below`: second\nmod above;\nmod below;\npub use above::High;\npub use below::{part::Low, Other};",
        ),
        file("above", "use crate::below::part::Low;\npub struct High(Low);"),
        file("below", "mod part;\npub struct Other;"),
        file("below::part", "pub struct Low;"),
    ])
}

#[test]
fn the_test_of_imports_finds_a_path_that_points_up() {
    assert_eq!(imports_that_point_up(&two_layers()), Vec::<String>::new());
    for bad in [
        "use crate::above::High;",
        "use crate::{Other, High};",
        "use super::super::above;",
        "fn f() { let _ = [(crate::above::f)()]; }",
        "macro_rules! m { () => { $crate::High } }",
        "impl<T> Trait<crate::High> for T {}",
    ] {
        let mut sources = two_layers();
        sources.get_mut(&vec!["below".to_owned(), "part".to_owned()]).unwrap().push_str(bad);
        assert_eq!(imports_that_point_up(&sources), ["below::part imports above"], "{bad}");
    }
    // Comments, strings and unit tests import nothing.
    for good in [
        "// use crate::High;",
        "/// crate::High\nfn f() {}",
        "const C: &str = \"crate::High\";",
        "#[cfg(test)] mod tests { use crate::High; }",
    ] {
        let mut sources = two_layers();
        sources.get_mut(&vec!["below".to_owned()]).unwrap().push_str(good);
        assert_eq!(imports_that_point_up(&sources), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn the_test_of_circles_finds_one() {
    assert_eq!(circle(&two_layers()), None);
    let mut sources = two_layers();
    sources.get_mut(&vec!["below".to_owned(), "part".to_owned()]).unwrap().push_str("use super::Other;");
    let mut found = circle(&sources).unwrap();
    found.sort();
    assert_eq!(found, ["below", "below::part"]);
}
