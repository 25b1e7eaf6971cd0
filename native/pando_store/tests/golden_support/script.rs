//! What was done to the golden stores: each kind of command, and terms of each kind.

use pando_tree::{
    Command, Condition, Expected, Extent, Name, Once, Payload, PropsMask, ReadScope, RequestId, Scope, Step,
    Transaction, Wanted, Watched, Write,
};

/// The id of the stores.
pub const STORE: [u8; 16] = [9; 16];

/// Values under `/:values`, by name; as `term_to_binary` of OTP 25 has them. `pando_golden_tests.erl` has the terms.
const VALUES: [(&str, &str); 23] = [
    ("integer", "836196"),
    ("negative", "8362fffffff9"),
    ("large", "836e0d0000000000000000000000000010"),
    ("negative large", "836e0901000000000000000040"),
    ("float", "83464004000000000000"),
    ("atom", "836400036f616b"),
    ("unicode atom", "8377074772c3b6c39f65"),
    ("binary", "836d00000003656c6d"),
    ("unicode", "836d0000000a42c3a4756d6520e69ca8"),
    ("bitstring", "834d0000000103a0"),
    ("empty list", "836a"),
    ("string", "836b0003616263"),
    ("list", "836c00000003610164000374776f6d0000000574687265656a"),
    ("improper", "836c000000016400016164000162"),
    ("tuple", "836800"),
    ("record", "8368036400047472656561016c00000001640001786a"),
    ("map", "83740000000364000161610168016400016374000000006d00000001626b000102"),
    ("undefined", "83640009756e646566696e6564"),
    ("function", "83716400056c6973747364000373756d6101"),
    ("nested", "836c000000016c000000016c000000016c000000016a6a6a6a6a"),
    ("booleans", "8368026400047472756564000566616c7365"),
    ("small", "8361ff"),
    ("wide", "836200010000"),
];

const FUNCTION: &str = "83716400056c6973747364000373756d6101"; // fun lists:sum/1
const EXISTS: &str = "83680264000e69665f6e6f64655f65786973747364000474727565"; // {if_node_exists, true}
const HAS_DATA: &str = "83680264000b69665f6861735f6461746164000474727565"; // {if_has_data, true}
// {if_name_matches, <<"^o">>, undefined}
const BEGINS_WITH_O: &str =
    "83680364000f69665f6e616d655f6d6174636865736d000000025e6f640009756e646566696e6564";
const VERSION: &str = "83680264001269665f7061796c6f61645f76657273696f6e680264000267656101"; // {if_payload_version, {ge, 1}}
// {if_all, [{if_name_matches, <<"k$">>, undefined}, {if_not, {if_data_matches, 3, [], undefined}}]}
const ALL: &str = "83680264000669665f616c6c6c00000002680364000f69665f6e616d655f6d6174636865736d000000026b24640009756e6465\
                   66696e6564680264000669665f6e6f74680464000f69665f646174615f6d61746368657361036a640009756e646566696e65646a";
const ANY: &str = "83680264000669665f616e796c000000026400036f616b6d00000003656c6d6a"; // {if_any, [oak, <<"elm">>]}
// {if_data_matches, '$1', [{is_integer, '$1'}], undefined}
const IS_INTEGER: &str = "83680464000f69665f646174615f6d61746368657364000224316c00000001680264000a69735f696e746567657264\
                          000224316a640009756e646566696e6564";
const HAS_CHILDREN: &str = "83680264001469665f6368696c645f6c6973745f6c656e677468680264000267656101"; // {if_child_list_length, {ge, 1}}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

fn data(hex: &str) -> Payload {
    Payload::Data(bytes(hex).into())
}

fn condition(hex: &str) -> Condition {
    Condition::from_term(&bytes(hex)).unwrap()
}

fn a(name: &str) -> Step {
    Step::Child(Name::atom(name))
}

fn b(name: &str) -> Step {
    Step::Child(Name::binary(name.as_bytes()))
}

fn met(hex: &str) -> Step {
    Step::Condition(condition(hex))
}

fn watch(path: Vec<Step>, hex: &str) -> Watched {
    Watched { path, condition: condition(hex) }
}

fn wanted(props: PropsMask, indirect_deletes: bool) -> Option<Wanted> {
    Some(Wanted { props, indirect_deletes })
}

fn once(id: &str, note: Option<&str>, command: Command) -> Command {
    let id = RequestId::new(id.as_bytes()).unwrap();
    Command::Once(Box::new(Once::new(id, command, note.map(|note| bytes(note).into()))))
}

fn put(path: Vec<Step>, hex: &str) -> Command {
    Command::put(path, data(hex))
}

/// The commands of one round.
pub fn commands(round: u64) -> Vec<Command> {
    let stamp = format!("8362{round:08x}");
    let mut commands: Vec<Command> = VALUES
        .iter()
        .enumerate()
        // In the first round all of them, later two each.
        .filter(|(number, _)| round == 0 || *number as u64 % 12 == round % 12)
        .map(|(_, (name, hex))| put(vec![a("values"), b(name)], hex))
        .collect();
    // A binary with bytes that are no text, an atom with a name that is no word, and the root.
    commands.push(put(
        vec![a("names"), a("Größe 木"), Step::Child(Name::binary(&[0, 0xff, b'"', b'\\']))],
        &stamp,
    ));
    commands.push(put(vec![], &stamp));
    commands.push(Command::put(vec![a("names"), b("")], Payload::None));
    commands.push(Command::put(vec![b("sum")], Payload::Procedure(bytes(FUNCTION).into())));
    // Locks that go with their session, seen from there and from the root, and one whose session goes.
    let name = format!("lock {}", round % 3);
    commands.push(put(vec![a("sessions"), b("ann")], &stamp));
    commands.push(put(vec![a("sessions"), b(&name)], &stamp));
    commands.push(Command::Put {
        path: vec![a("locks"), b("oak")],
        scope: Scope::One,
        payload: data(&stamp),
        keep_while: Some(
            vec![
                watch(vec![Step::Parent, Step::Parent, a("sessions"), b("ann")], EXISTS),
                watch(vec![a("sessions"), Step::AnyChild], HAS_DATA),
            ]
            .into(),
        ),
        wanted: wanted(PropsMask::ALL, true),
    });
    commands.push(Command::Put {
        path: vec![a("locks"), b(&name)],
        scope: Scope::One,
        payload: data(&stamp),
        keep_while: Some(vec![watch(vec![a("sessions"), b(&name)], VERSION)].into()),
        wanted: None,
    });
    commands.push(Command::Delete {
        path: vec![a("sessions"), b(&name)],
        scope: Scope::One,
        wanted: wanted(PropsMask::DEFAULT, true),
    });
    // Patterns with conditions.
    for tree in ["oak", "elm", "ash"] {
        commands.push(put(vec![a("wood"), a(tree), b("pieces")], &stamp));
        commands.push(put(vec![a("wood"), b(tree)], &stamp));
    }
    let many = |path, keep_while, wanted| Command::Put {
        path,
        scope: Scope::Many,
        payload: data("836101"),
        keep_while,
        wanted,
    };
    commands.push(many(vec![a("wood"), met(BEGINS_WITH_O)], None, wanted(PropsMask::PAYLOAD, false)));
    commands.push(many(vec![a("wood"), met(ALL)], Some(Vec::new().into()), None));
    commands.push(many(vec![a("wood"), met(HAS_CHILDREN), Step::AnyChild], None, None));
    commands.push(Command::Clear {
        path: vec![a("wood"), met(ANY)],
        scope: Scope::Many,
        keep_while: None,
        wanted: wanted(PropsMask::ALL, false),
    });
    commands.push(Command::Clear {
        path: vec![Step::This, a("wood"), Step::Root, a("wood"), b("ash")],
        scope: Scope::One,
        keep_while: Some(vec![watch(vec![a("wood")], HAS_CHILDREN)].into()),
        wanted: None,
    });
    commands.push(Command::Delete {
        path: vec![a("wood"), Step::AnyDescendant, met(IS_INTEGER)],
        scope: Scope::ManyAndRoot,
        wanted: None,
    });
    commands.push(put(vec![a("wood"), b("left"), b("deep"), b("deeper")], &stamp));
    // Transactions: as data, and of a function.
    let write = |command, expected| Write { command, expected };
    let several = Transaction::as_data(
        vec![watch(vec![a("wood"), b("left")], EXISTS)],
        vec![
            write(put(vec![a("sold"), b("oak")], &stamp), Expected::Success),
            write(
                Command::Put {
                    path: vec![a("sold"), b("elm")],
                    scope: Scope::One,
                    payload: data(&stamp),
                    keep_while: None,
                    wanted: wanted(PropsMask::RAW_PAYLOAD, false),
                },
                Expected::Success,
            ),
            write(Command::delete(vec![a("sold"), b("ash")]), Expected::Success),
        ],
    );
    let read = |path: &[Name], extent, was_present| ReadScope { path: path.to_vec(), extent, was_present };
    let function = Transaction {
        base_revision: u64::MAX >> 1,
        is_predicted: false,
        reads: vec![
            read(&[Name::atom("values")], Extent::Node, true),
            read(&[Name::atom("wood")], Extent::Subtree, true),
            read(&[Name::atom("values"), Name::binary(b"atom")], Extent::Payload, true),
            read(&[Name::binary(b"nowhere")], Extent::Presence, false),
        ],
        requirements: Vec::new(),
        writes: vec![write(put(vec![a("sold"), b("count")], &stamp), Expected::Done)],
        wants_results: false,
    };
    commands.push(Command::Transaction(Box::new(several.clone())));
    commands.push(Command::Transaction(Box::new(function.clone())));
    // Requests, the first of them sent again.
    let id = format!("request {round}");
    commands.push(once(&id, None, put(vec![a("orders"), b("7")], &stamp)));
    commands.push(once(&id, None, put(vec![a("orders"), b("7")], &stamp)));
    commands.push(once(&format!("{id} results"), None, Command::Transaction(Box::new(several))));
    let of_a_function = Command::Transaction(Box::new(function));
    commands.push(once(&format!("{id} noted"), Some(&stamp), of_a_function));
    commands.push(once(
        &format!("{id} nodes"),
        None,
        Command::Delete { path: vec![a("sold")], scope: Scope::One, wanted: wanted(PropsMask::ALL, true) },
    ));
    // Something to fill a segment with.
    commands.push(put(
        vec![a("filled"), b(&(round % 4).to_string())],
        &format!("836d{:08x}{}", 600, "2e".repeat(600)),
    ));
    commands
}

/// The writes of a transaction that reads `/:sessions/"ann"` and `"nowhere"` before: those of the second answer something.
pub fn writes(round: u64) -> [Command; 2] {
    let stamp = format!("8362{round:08x}");
    let answered = Command::Put {
        path: vec![a("read"), b("second")],
        scope: Scope::One,
        payload: data(&stamp),
        keep_while: None,
        wanted: wanted(PropsMask::ALL, true),
    };
    [put(vec![a("read"), b("first")], &stamp), answered]
}

/// What is lost in the store whose last write was torn: more than a sector.
pub fn last_command() -> Command {
    put(vec![a("last")], &format!("836d{:08x}{}", 1200, "21".repeat(1200)))
}
