//! Names, paths and patterns between Erlang terms and the tree.

use crate::vm::{Atom, Binary, Encoder, Env, NewBinary, Term};
use pando_tree::limits::PATH_COMPONENTS_MAX;
use pando_tree::{BadCondition, Condition, Limit, Name, NameKind, Step, Watched};

use super::atoms;
use crate::raw::{stored_term, with_latin1_atom};

const THIS: i64 = b'.' as i64;
const PARENT: i64 = b'^' as i64;
const ROOT: i64 = b'/' as i64;

/// External term format: version, and the two tags of atoms in UTF-8 (one or two bytes of length), and of old ones.
const VERSION: u8 = 131;
const SMALL_ATOM_UTF8: u8 = 119;
const ATOM_UTF8: u8 = 118;

/// Components for which room is made at once; longer paths grow.
const PATH_ROOM: usize = 8;

/// The name that a term stands for: an atom's or a binary's.
pub fn name(term: Term<'_>) -> Option<Name> {
    if let Some(name) = with_latin1_atom(term, latin1_atom_name) {
        return Some(name);
    }
    if let Ok(binary) = Binary::from_term(term) {
        return Some(Name::binary(binary.as_slice()));
    }
    term.is_atom().then(|| wide_atom_name(term)).flatten()
}

fn latin1_atom_name(text: &[u8]) -> Name {
    match std::str::from_utf8(text) {
        Ok(ascii) if ascii.is_ascii() => Name::atom(ascii),
        _ => Name::atom(&text.iter().map(|byte| char::from(*byte)).collect::<String>()),
    }
}

/// An atom outside of Latin-1: only its external form tells the text (with NIF version 2.15).
fn wide_atom_name(term: Term<'_>) -> Option<Name> {
    let external = term.to_binary();
    let text = match external.as_slice() {
        [VERSION, SMALL_ATOM_UTF8, _, text @ ..] | [VERSION, ATOM_UTF8, _, _, text @ ..] => text,
        _ => return None,
    };
    std::str::from_utf8(text).ok().map(Name::atom)
}

/// Why a term is no path that a store takes.
pub enum BadPath<'a> {
    /// This is neither a name nor a step this store knows; or it stands where the list should end.
    Component(Term<'a>),
    /// Too much of something.
    Limit(Limit),
    /// A condition that the tree does not take.
    Condition(Term<'a>, BadCondition),
}

/// A path or pattern.
pub fn steps(path: Term<'_>) -> Result<Vec<Step>, BadPath<'_>> {
    components(path, step)
}

/// A path that consists of names.
pub fn names(path: Term<'_>) -> Result<Vec<Name>, BadPath<'_>> {
    components(path, |component| name(component).ok_or(BadPath::Component(component)))
}

/// Decodes each component. Looks at no more than a path may have, whatever it is given.
fn components<'a, C>(
    path: Term<'a>,
    decode: impl Fn(Term<'a>) -> Result<C, BadPath<'a>>,
) -> Result<Vec<C>, BadPath<'a>> {
    // Exactly as many as there are, because commands are kept for a while.
    let mut components = Vec::with_capacity(cells_up_to(PATH_COMPONENTS_MAX, path));
    let mut rest = path;
    while let Ok((component, tail)) = rest.list_get_cell() {
        Limit::PathComponents.check(components.len() + 1).map_err(BadPath::Limit)?;
        if let Some(size_bytes) = binary_size_bytes(component) {
            Limit::NameSizeBytes.check(size_bytes).map_err(BadPath::Limit)?;
        }
        components.push(decode(component)?);
        rest = tail;
    }
    if rest.is_empty_list() { Ok(components) } else { Err(BadPath::Component(rest)) }
}

/// How many cells a list has, proper or not, but no more than `cells_max`: the rest of it is not walked.
fn cells_up_to(cells_max: usize, list: Term<'_>) -> usize {
    let first = list.list_get_cell().ok();
    std::iter::successors(first, |(_, tail)| tail.list_get_cell().ok()).take(cells_max).count()
}

fn binary_size_bytes(term: Term<'_>) -> Option<usize> {
    Binary::from_term(term).ok().map(|binary| binary.len())
}

/// Whether a path is short and simple enough to be followed on a normal scheduler: no conditions, which may be large.
/// Says nothing about whether it is one.
pub fn is_quick_path(path: Term<'_>, components_max: usize, name_size_bytes_max: usize) -> bool {
    let mut rest = path;
    for _ in 0..=components_max {
        let Ok((component, tail)) = rest.list_get_cell() else { return true };
        if component.is_tuple()
            || binary_size_bytes(component).is_some_and(|size_bytes| size_bytes > name_size_bytes_max)
        {
            return false;
        }
        rest = tail;
    }
    false
}

fn step(component: Term<'_>) -> Result<Step, BadPath<'_>> {
    if let Some(name) = name(component) {
        return Ok(Step::Child(name));
    }
    match component.decode::<i64>() {
        Ok(THIS) => return Ok(Step::This),
        Ok(PARENT) => return Ok(Step::Parent),
        Ok(ROOT) => return Ok(Step::Root),
        Ok(_) => return Err(BadPath::Component(component)),
        Err(_) => {}
    }
    if let Ok((record, regex, _compiled)) = component.decode::<(Atom, Atom, Term<'_>)>()
        && regex == atoms::any()
    {
        if record == atoms::if_name_matches() {
            return Ok(Step::AnyChild);
        }
        if record == atoms::if_path_matches() {
            return Ok(Step::AnyDescendant);
        }
    }
    if !component.is_tuple() {
        return Err(BadPath::Component(component));
    }
    condition(component).map(Step::Condition)
}

/// The condition that a term stands for: a record, or a component in the place of one.
pub fn condition(term: Term<'_>) -> Result<Condition, BadPath<'_>> {
    Condition::from_term(term.to_binary().as_slice()).map_err(|bad| BadPath::Condition(term, bad))
}

/// What nodes are to depend on: a list of `{Path, Condition}`.
pub fn watched(list: Term<'_>) -> Result<Vec<Watched>, BadPath<'_>> {
    conditions_at(list, Limit::KeepWhile)
}

/// What a transaction requires: the same.
pub fn requirements(list: Term<'_>) -> Result<Vec<Watched>, BadPath<'_>> {
    conditions_at(list, Limit::TransactionCommands)
}

fn conditions_at(list: Term<'_>, limit: Limit) -> Result<Vec<Watched>, BadPath<'_>> {
    let mut watched = Vec::new();
    let mut rest = list;
    while let Ok((pair, tail)) = rest.list_get_cell() {
        limit.check(watched.len() + 1).map_err(BadPath::Limit)?;
        let (path, met) = pair.decode::<(Term<'_>, Term<'_>)>().map_err(|_| BadPath::Component(pair))?;
        watched.push(Watched { path: steps(path)?, condition: condition(met)? });
        rest = tail;
    }
    if rest.is_empty_list() { Ok(watched) } else { Err(BadPath::Component(rest)) }
}

/// The terms of steps.
pub fn steps_term<'a>(env: Env<'a>, steps: &[Step]) -> Term<'a> {
    let star = |record: Atom| (record, atoms::any(), atoms::undefined()).encode(env);
    let component = |step: &Step| match step {
        Step::Child(name) => name_term(env, name),
        Step::This => THIS.encode(env),
        Step::Parent => PARENT.encode(env),
        Step::Root => ROOT.encode(env),
        Step::AnyChild => star(atoms::if_name_matches()),
        Step::AnyDescendant => star(atoms::if_path_matches()),
        Step::Condition(condition) => condition_term(env, condition.term()),
    };
    steps.iter().map(component).collect::<Vec<_>>().encode(env)
}

/// The term of a condition.
pub fn condition_term<'a>(env: Env<'a>, term: &[u8]) -> Term<'a> {
    stored_term(env, term).unwrap_or_else(|| atoms::undefined().to_term(env))
}

/// A path of plain names, for the quickest read; `None` if there is anything else in it, or more of anything than a normal
/// scheduler should follow.
pub fn plain_names(path: Term<'_>, names_max: usize, name_size_bytes_max: usize) -> Option<Vec<Name>> {
    let mut names = Vec::with_capacity(PATH_ROOM);
    let mut rest = path;
    while let Ok((component, tail)) = rest.list_get_cell() {
        if names.len() == names_max
            || binary_size_bytes(component).is_some_and(|size_bytes| size_bytes > name_size_bytes_max)
        {
            return None;
        }
        names.push(name(component)?);
        rest = tail;
    }
    rest.is_empty_list().then_some(names)
}

/// The term of a name. Names come from this store, where terms brought them: making their atoms is no leak.
pub fn name_term<'a>(env: Env<'a>, name: &Name) -> Term<'a> {
    match name.kind() {
        NameKind::Binary => {
            let mut binary = NewBinary::new(env, name.bytes().len());
            binary.as_mut_slice().copy_from_slice(name.bytes());
            binary.into()
        }
        NameKind::Atom => Atom::from_utf8_bytes(env, name.bytes())
            .map(|atom| atom.to_term(env))
            .or_else(|_| wide_atom_term(env, name.bytes()).ok_or(()))
            .unwrap_or_else(|()| atoms::undefined().to_term(env)),
    }
}

fn wide_atom_term<'a>(env: Env<'a>, text: &[u8]) -> Option<Term<'a>> {
    let length = u16::try_from(text.len()).ok()?;
    let mut external = vec![VERSION, ATOM_UTF8];
    external.extend_from_slice(&length.to_be_bytes());
    external.extend_from_slice(text);
    stored_term(env, &external)
}

/// The native path of `names`.
pub fn path_term<'a>(env: Env<'a>, names: &[Name]) -> Term<'a> {
    names.iter().map(|name| name_term(env, name)).collect::<Vec<_>>().encode(env)
}

/// The root in an error's `node_name`.
pub fn root_name_term(env: Env<'_>) -> Term<'_> {
    ROOT.encode(env)
}
