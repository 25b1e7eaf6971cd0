//! What is in the files of a store, and in the store, in words: a line for each thing.
//!
//! A path is `/` before each name; an atom's name begins with `:`, that of a binary stands in quotes; a byte that is no
//! printable ASCII is `\xNN`. Special components are `.`, `^`, `|` (the root), `*`, `**`; `?` comes before a condition. Terms are
//! in the external term format, in hexadecimal digits, of long ones the first 120 bytes, size and CRC-32. A position is term, node id and index.

use crate::store_support::TestStore;
use pando_store::batch::Batch;
use pando_store::directory::StoreDirectory;
use pando_store::disk::Disk;
use pando_store::log::{LogPosition, ScanObserver, inspect};
use pando_store::snapshot::SnapshotDirectory;
use pando_tree::{
    Answer, Command, Condition, DeleteReason, Expected, Extent, Name, NameKind, Node, Payload, Props,
    ReadScope, RequestId, Scope, State, Step, TreeBuilder, TreeRecords, Wanted, Watched,
};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

const HEX_BYTES_MAX: usize = 120;

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Of many bytes the first ones, their number, and their checksum.
fn hex(bytes: &[u8]) -> String {
    match bytes.get(..HEX_BYTES_MAX) {
        Some(first) if bytes.len() > HEX_BYTES_MAX => {
            format!("{}+{}:{:08x}", digits(first), bytes.len(), crc32fast::hash(bytes))
        }
        _ => digits(bytes),
    }
}

fn printable(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'"' | b'\\' | b'/' | b' ' | 0..0x20 | 0x7f.. => write!(text, "\\x{byte:02x}").unwrap(),
            _ => text.push(char::from(*byte)),
        }
        text
    })
}

fn name(name: &Name) -> String {
    let text = printable(name.bytes());
    match name.kind() {
        NameKind::Atom => format!(":{text}"),
        NameKind::Binary => format!("\"{text}\""),
    }
}

fn path(names: &[Name]) -> String {
    if names.is_empty() {
        "/".to_owned()
    } else {
        names.iter().map(|one| format!("/{}", name(one))).collect()
    }
}

fn steps(steps: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Child(child) => name(child),
        Step::This => ".".to_owned(),
        Step::Parent => "^".to_owned(),
        Step::Root => "|".to_owned(),
        Step::AnyChild => "*".to_owned(),
        Step::AnyDescendant => "**".to_owned(),
        Step::Condition(condition) => format!("?{}", hex(condition.term())),
    };
    if steps.is_empty() {
        "/".to_owned()
    } else {
        steps.iter().map(|one| format!("/{}", step(one))).collect()
    }
}

fn payload(payload: &Payload) -> String {
    match payload {
        Payload::None => "none".to_owned(),
        Payload::Data(bytes) => format!("data {}", hex(bytes)),
        Payload::Procedure(bytes) => format!("procedure {}", hex(bytes)),
    }
}

fn watched(watched: &[Watched]) -> String {
    let one = |watched: &Watched| format!("{} {}", steps(&watched.path), hex(watched.condition.term()));
    format!("[{}]", watched.iter().map(one).collect::<Vec<_>>().join("; "))
}

fn keep(conditions: Option<&[Watched]>) -> String {
    conditions.map_or("keep".to_owned(), watched)
}

fn wanted(wanted: Option<&Wanted>) -> String {
    match wanted {
        None => "-".to_owned(),
        Some(wanted) => {
            format!("{}{}", wanted.props.bits(), if wanted.indirect_deletes { "+" } else { "" })
        }
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::One => "one",
        Scope::Many => "many",
        Scope::ManyAndRoot => "many_and_root",
    }
}

fn optional(bytes: Option<&[u8]>) -> String {
    bytes.map_or("-".to_owned(), hex)
}

fn read(scope: &ReadScope) -> String {
    let extent = match scope.extent {
        Extent::Presence => "presence",
        Extent::Payload => "payload",
        Extent::Node => "node",
        Extent::Subtree => "subtree",
    };
    format!("{extent}{} {}", if scope.was_present { "" } else { "!" }, path(&scope.path))
}

fn command(of: &Command) -> String {
    match of {
        Command::Put { path, scope: to, payload: what, keep_while, wanted: shown } => format!(
            "put {} {} {} {} {}",
            scope(*to),
            wanted(shown.as_ref()),
            keep(keep_while.as_deref()),
            steps(path),
            payload(what)
        ),
        Command::Clear { path, scope: to, keep_while, wanted: shown } => {
            let keep = keep(keep_while.as_deref());
            format!("clear {} {} {keep} {}", scope(*to), wanted(shown.as_ref()), steps(path))
        }
        Command::Delete { path, scope: to, wanted: shown } => {
            format!("delete {} {} {}", scope(*to), wanted(shown.as_ref()), steps(path))
        }
        Command::Transaction(of) => {
            let flags = u8::from(of.is_predicted) + 2 * u8::from(of.wants_results);
            let reads = of.reads.iter().map(read).collect::<Vec<_>>().join("; ");
            let write = |write: &pando_tree::Write| {
                let expected = match &write.expected {
                    Expected::Success => "any".to_owned(),
                    Expected::Done => "done".to_owned(),
                    Expected::Digest(digest) => hex(digest),
                };
                format!("{expected} {}", command(&write.command))
            };
            let writes = of.writes.iter().map(write).collect::<Vec<_>>().join("; ");
            format!(
                "transaction flags {flags} base {} reads [{reads}] requirements {} writes [{writes}]",
                of.base_revision,
                watched(&of.requirements)
            )
        }
        Command::Once(once) => format!(
            "once {} note {} {}",
            hex(once.id.bytes()),
            optional(once.note.as_deref()),
            command(&once.command)
        ),
    }
}

fn props(of: &Props) -> String {
    let mut all = Vec::new();
    let mut add = |key: &str, value: Option<String>| all.extend(value.map(|value| format!("{key}={value}")));
    add("payload", of.payload.as_ref().map(payload));
    add("payload_version", of.payload_version.map(|number| number.to_string()));
    add("child_list_version", of.child_list_version.map(|number| number.to_string()));
    add("child_list_length", of.child_list_length.map(|number| number.to_string()));
    let names = |names: &[Name]| names.iter().map(name).collect::<Vec<_>>().join("/");
    add("child_names", of.child_names.as_deref().map(names));
    add("raw_payload", of.raw_payload.as_ref().map(payload));
    add("has_data", of.has_data.then(|| "true".to_owned()));
    add("is_procedure", of.is_procedure.then(|| "true".to_owned()));
    let reason = |reason| match reason {
        DeleteReason::Explicit => "explicit".to_owned(),
        DeleteReason::KeepWhile => "keep_while".to_owned(),
    };
    add("delete_reason", of.delete_reason.map(reason));
    all.join(",")
}

fn answer(of: &Answer) -> String {
    match of {
        Answer::Done => "done".to_owned(),
        Answer::Nodes(nodes) => {
            let nodes: Vec<_> =
                nodes.iter().map(|(at, shown)| format!("{} {}", path(at), props(shown))).collect();
            format!("nodes [{}]", nodes.join("; "))
        }
        Answer::Results(answers) => {
            format!("results [{}]", answers.iter().map(answer).collect::<Vec<_>>().join("; "))
        }
        Answer::Refused(_) | Answer::Conflict(_) | Answer::Repeated(_) => "not kept".to_owned(),
    }
}

fn position(position: Option<LogPosition>) -> String {
    position
        .map_or("-".to_owned(), |LogPosition { term, node_id, index }| format!("{term}.{node_id}.{index}"))
}

fn node_lines(out: &mut String, at: &mut Vec<Name>, node: &Node) {
    writeln!(
        out,
        "  node {} {} {} payload_version {} child_list_version {} payload_revision {} revision {} \
         subtree_revision {}",
        path(at),
        if node.is_implicit() { "implicit" } else { "explicit" },
        payload(node.payload()),
        node.payload_version(),
        node.child_list_version(),
        node.payload_revision(),
        node.revision(),
        node.subtree_revision()
    )
    .unwrap();
    for (child, below) in node.children().iter() {
        at.push(child.clone());
        node_lines(out, at, below);
        at.pop();
    }
}

/// Everything that a state holds. The ids of requests are not shown by it: `records` has them, and has been read into it.
fn state_lines(out: &mut String, state: &State) {
    node_lines(out, &mut Vec::new(), state.root());
    for (at, conditions) in state.keep_while() {
        for one in conditions {
            let condition: &Condition = &one.condition;
            writeln!(out, "  depends {} {} {}", path(at), steps(&one.path), hex(condition.term())).unwrap();
        }
    }
    for id in request_ids(state) {
        let request = state.repeated(&RequestId::new(&id).unwrap()).unwrap();
        let answer = request.answer.as_ref().map_or("-".to_owned(), answer);
        writeln!(out, "  request {} answer {answer} note {}", hex(&id), optional(request.note.as_deref()))
            .unwrap();
    }
}

/// From the last records of the tree: mark (three bytes), size of the id (one), id.
fn request_ids(state: &State) -> Vec<Vec<u8>> {
    let mut records = TreeRecords::new(state);
    let (mut ids, mut record) = (Vec::new(), Vec::new());
    while records.next_into(&mut record) {
        if record.starts_with(&[0x81, 0x80, 0x40]) {
            ids.push(record[4..4 + usize::from(record[3])].to_vec());
        }
        record.clear();
    }
    ids
}

/// What the open store holds.
pub fn describe_tree(store: &TestStore) -> String {
    let mut out = String::new();
    let view = store.view();
    writeln!(out, "  revision {}", view.state.revision()).unwrap();
    state_lines(&mut out, &view.state);
    out
}

struct Entries(Vec<(LogPosition, Vec<u8>)>);

impl ScanObserver for Entries {
    fn entry(&mut self, position: LogPosition, body: &[u8]) {
        // One that follows again was taken back.
        self.0.retain(|(before, _)| before.index < position.index);
        self.0.push((position, body.to_vec()));
    }
}

/// What the files of a store hold that is not open.
pub fn describe_files(disk: &Arc<dyn Disk>, directory: &Path) -> String {
    let mut out = String::new();
    let identity = StoreDirectory::inspect(disk.as_ref(), directory).unwrap().identity.unwrap();
    writeln!(out, "identity store {} member {}", identity.store_id, identity.member_id).unwrap();
    if identity.member_id == 0 {
        return out;
    }
    let snapshots = SnapshotDirectory::at(disk.clone(), &directory.join("snapshot"), identity.store_id);
    // An empty directory is not kept by git.
    let is_there = disk.kind(&directory.join("snapshot")).unwrap().is_some();
    for file in if is_there { snapshots.list().unwrap() } else { Vec::new() } {
        let mut reader = snapshots.read(file).unwrap();
        let at = reader.position();
        // Version 2 begins with a mark and its number. Node count, position of the membership, membership, in version 2 sessions;
        // revision, history: the last seven numbers.
        let metadata = reader.metadata().to_vec();
        let (is_versioned, metadata) =
            match metadata.strip_prefix(&[255, 255, 255, 255, 255, 255, 255, 255, 2]) {
                Some(body) => (true, body),
                None => (false, &metadata[..]),
            };
        let numbers: Vec<u64> = metadata[metadata.len() - 7 * 8..]
            .chunks_exact(8)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let mut builder = TreeBuilder::new();
        let mut count = 0;
        while let Some(record) = reader.next_record().unwrap() {
            builder.push(record).unwrap();
            count += 1;
        }
        let state = builder.finish(numbers[0]).unwrap();
        writeln!(
            out,
            "snapshot index {:016x} term {:016x} position {} nodes {} records {count} revision {} last_batch {} run {}",
            file.index,
            file.term,
            position(Some(at)),
            u64::from_le_bytes(metadata[..8].try_into().unwrap()),
            numbers[0],
            numbers[1],
            numbers[2..].iter().map(u64::to_string).collect::<Vec<_>>().join(".")
        )
        .unwrap();
        if is_versioned {
            session_lines(&mut out, metadata);
        }
        state_lines(&mut out, &state);
    }
    let mut entries = Entries(Vec::new());
    let log = directory.join("log");
    let facts = inspect(disk.as_ref(), &log, identity.store_id, &mut entries).unwrap();
    for segment in &facts.segments {
        let file = segment.path.file_stem().unwrap().to_string_lossy();
        writeln!(out, "segment {file} size {} used {}", segment.size_bytes, segment.used_bytes).unwrap();
    }
    let (last, purged) = (facts.last, facts.purged);
    writeln!(out, "log purged {} last {} entries {}", position(purged), position(last), facts.entry_count)
        .unwrap();
    let is_there = |index: u64| {
        purged.is_none_or(|purged| index > purged.index) && last.is_some_and(|last| index <= last.index)
    };
    for (at, body) in entries.0.iter().filter(|(at, _)| is_there(at.index)) {
        write!(out, "entry {} ", position(Some(*at))).unwrap();
        entry_lines(&mut out, body);
    }
    out
}

/// From metadata of version 2, without mark and version.
fn session_lines(out: &mut String, metadata: &[u8]) {
    let number = |at: usize| u64::from_le_bytes(metadata[at..at + 8].try_into().unwrap());
    let behind_position = if metadata[8] == 1 { 8 + 1 + 24 } else { 8 + 1 };
    let mut at = behind_position + 8 + usize::try_from(number(behind_position)).unwrap();
    let count = number(at);
    at += 8;
    for _ in 0..count {
        let (member, incarnation, next) = (number(at), number(at + 8), number(at + 16));
        writeln!(out, "  session member {member} incarnation {incarnation} next {next}").unwrap();
        at += 24;
    }
    assert_eq!(at, metadata.len() - 7 * 8);
}

/// The entries that a log has, as they stand there.
pub fn entries_of(disk: &Arc<dyn Disk>, directory: &Path) -> Vec<(LogPosition, Vec<u8>)> {
    let identity = StoreDirectory::inspect(disk.as_ref(), directory).unwrap().identity.unwrap();
    let mut entries = Entries(Vec::new());
    inspect(disk.as_ref(), &directory.join("log"), identity.store_id, &mut entries).unwrap();
    entries.0
}

fn entry_lines(out: &mut String, body: &[u8]) {
    match body {
        [0] => writeln!(out, "blank").unwrap(),
        [1, batch @ ..] => {
            let batch = Batch::decode(batch).unwrap();
            let from = batch.predicted_from;
            writeln!(
                out,
                "commands member {} incarnation {} first {} clock {} predicted_from {}",
                batch.origin.member_id,
                batch.origin.incarnation,
                batch.origin.first_sequence,
                batch.clock_ms,
                from.map_or("-".to_owned(), |from| format!("{}.{}", from.last_index, from.sequence))
            )
            .unwrap();
            for one in batch.commands.iter() {
                writeln!(out, "  {}", command(one)).unwrap();
            }
        }
        [2, membership @ ..] => writeln!(out, "members {}", hex(membership)).unwrap(),
        _ => panic!("an entry of an unknown kind"),
    }
}
