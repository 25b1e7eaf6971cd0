//! What holds of every command: what follows from it is bounded, and it is done wholly or not at all.

use super::*;
use crate::model::Model;
use crate::test_store::*;

/// Each node depends on the one before it.
fn chain(length: usize) -> Store {
    let mut s = Store::default();
    s.put("n0", data(1));
    for link in 1..length {
        s.put_while(&format!("n{link}"), data(1), &[(&format!("n{}", link - 1), if_node_exists(true))]);
    }
    s
}

#[test]
fn a_command_that_runs_out_of_steps_has_done_nothing() {
    let before = chain(5);
    let mut refused = 0;
    for steps in 0.. {
        let mut left = steps;
        let mut s = Store { state: before.state.clone() };
        let mut edit = Edit::new(&mut s.state, None, Plan { is_manifold: true, depends: false }, &mut left);
        edit.remove(&path("n0"), DeleteReason::Explicit);
        match edit.finish() {
            Err(OutOfSteps) => {
                refused += 1;
                assert_eq!(Model::of(&s.state), Model::of(&before.state));
            }
            Ok(answer) => {
                assert_eq!((answer, s.state.node_count()), (Answer::Done, 1));
                break;
            }
        }
        s.state.keep_while.check(&s.state);
    }
    assert!(refused >= 4, "each link takes a step: {refused}");
}

/// The fault: a command that gave the first conditions of the tree kept no state to return to.
#[test]
fn a_command_that_gives_the_first_conditions_and_runs_out_of_steps_has_done_nothing() {
    let mut s = Store::default();
    s.put("a", data(1));
    let before = Model::of(&s.state);
    let of = watched(&[(".", if_payload_version(1))]);
    let change = Change { payload: &data(2), is_clear: false, keep_while: Some(&of) };
    let mut left = 0;
    let mut edit = Edit::new(&mut s.state, None, Plan { is_manifold: true, depends: true }, &mut left);
    edit.put(&path("a"), &change);
    assert_eq!(edit.finish(), Err(OutOfSteps));
    assert_eq!(Model::of(&s.state), before);
}

#[test]
fn what_was_detached_before_a_command_without_effect_is_still_handed_over() {
    let mut s = chain(3);
    (0..100).for_each(|index| drop(s.put(&format!("large n{index}"), data(1))));
    s.delete("large");
    let mut left = 0;
    let mut edit = Edit::new(&mut s.state, None, Plan { is_manifold: true, depends: false }, &mut left);
    edit.remove(&path("n0"), DeleteReason::Explicit);
    assert_eq!(edit.finish(), Err(OutOfSteps));
    assert_eq!(s.state.take_detached().len(), 1);
}
