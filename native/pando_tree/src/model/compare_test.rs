//! The tree against the model.

use proptest::prelude::*;

use super::command::{TestCommand, TestStep};
use super::*;
use crate::node::Node;
use crate::state::Context;

/// Checks the counts of nodes, which the model computes from the paths.
fn check_counts(state: &State, model: &Model) {
    let node = |path: &Path| state.lookup(path).map(Node::subtree_nodes);
    for path in model.nodes.keys() {
        assert_eq!(node(path), Some(model.count_below(path)), "{path:?}");
    }
    assert_eq!(state.node_count(), model.nodes.len() as u64);
}

/// Whether the path may be refused because a step up or back stands behind a wildcard.
fn steps_back(path: &[TestStep]) -> bool {
    let behind = path.iter().skip_while(|step| !step.is_conditional());
    behind.into_iter().any(|step| matches!(step, TestStep::Plain(Step::Parent | Step::Root)))
}

/// Applies the command to both.
fn apply_to_both(
    state: &mut State,
    model: &mut Model,
    command: &TestCommand,
    revision: u64,
) -> Result<Answer, TestCaseError> {
    let real = command.command();
    let answer = state.apply(&real, &Context { revision, clock_ms: 0, is_as_predicted: true });
    prop_assert_eq!(state.revision(), revision);
    match &answer {
        // Which combinations are not supported is up to the scan.
        Answer::Refused(Refusal::UnsupportedPattern { .. }) => {
            prop_assert!(command.scope != Scope::One && steps_back(&command.path), "{:?}", command);
        }
        answer => prop_assert_eq!(answer, &model.apply(command, revision), "{:?}", command),
    }
    prop_assert_eq!(Model::of(state), model.contents(), "after {:?}", command);
    state.keep_while.check(state);
    Ok(answer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_tree_answers_and_holds_what_the_model_says_and_old_copies_never_change(
        commands in arbitrary::test_commands(),
    ) {
        let (mut state, mut model) = (State::new(), Model::new());
        let mut copies = Vec::new();
        for (index, command) in commands.iter().enumerate() {
            if index % 7 == 0 {
                copies.push((state.clone(), model.contents()));
            }
            apply_to_both(&mut state, &mut model, command, index as u64 + 1)?;
        }
        check_counts(&state, &model);
        for (state, contents) in &copies {
            prop_assert_eq!(&Model::of(state), contents);
            state.keep_while.check(state);
        }
    }
}
