//! The calls by name, with their arguments.

use external_terms::{Atom, Encoder, Env, NifResult, Term};

use crate::calls;

/// Where a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the thread that reads: it does bounded work, or has to keep its order.
    Reader,
    /// On a worker's: it may take long, and others must not wait.
    Worker,
}

/// Where the call of this name is made.
pub fn place(function: &str) -> Place {
    match function {
        "read"
        | "scan"
        | "scan_next"
        | "scan_close"
        | "count_next"
        | "condition_met"
        | "keep_while"
        | "transaction_stand_in_line"
        | "transaction_write"
        | "transaction_commit"
        | "request_result" => Place::Worker,
        _ => Place::Reader,
    }
}

/// What a call's function gives.
trait Given<'a> {
    fn into_term(self, env: Env<'a>) -> NifResult<Term<'a>>;
}

impl<'a> Given<'a> for Term<'a> {
    fn into_term(self, _env: Env<'a>) -> NifResult<Term<'a>> {
        Ok(self)
    }
}

impl<'a> Given<'a> for Atom {
    fn into_term(self, env: Env<'a>) -> NifResult<Term<'a>> {
        Ok(self.to_term(env))
    }
}

impl<'a> Given<'a> for bool {
    fn into_term(self, env: Env<'a>) -> NifResult<Term<'a>> {
        Ok(self.encode(env))
    }
}

impl<'a> Given<'a> for Vec<Term<'a>> {
    fn into_term(self, env: Env<'a>) -> NifResult<Term<'a>> {
        Ok(self.encode(env))
    }
}

impl<'a, G: Given<'a>> Given<'a> for NifResult<G> {
    fn into_term(self, env: Env<'a>) -> NifResult<Term<'a>> {
        self?.into_term(env)
    }
}

/// For `?` within a call.
fn made<'a>(make: impl FnOnce() -> NifResult<Term<'a>>) -> NifResult<Term<'a>> {
    make()
}

/// Makes a call. `None`: there is none of this name with so many arguments.
pub fn call<'a>(env: Env<'a>, function: &str, arguments: &[Term<'a>]) -> Option<NifResult<Term<'a>>> {
    /// `name(env, a, b)`: the function is given the environment; `name(a, b)`: it is not.
    macro_rules! calls {
        ($($name:literal => $function:path, $($with_env:ident)? ($($argument:ident),*);)*) => {
            match (function, arguments) {
                $(($name, [$($argument),*]) => Some(made(|| {
                    calls!(@run env, $function, $($with_env)? ($($argument),*)).into_term(env)
                })),)*
                _ => None,
            }
        };
        (@run $env:ident, $function:path, env ($($argument:ident),*)) => {
            $function($env, $($argument.decode()?),*)
        };
        (@run $env:ident, $function:path, ($($argument:ident),*)) => {
            $function($($argument.decode()?),*)
        };
    }
    use calls::{recovery, transactions};
    calls! {
        "open" => calls::open, env (a, b, c, d, e, f, g, h);
        "close" => calls::close, env (a);
        "verify" => calls::verify, env (a, b);
        "verify_cancel" => calls::verify_cancel, (a);
        "recover_inspect" => recovery::recover_inspect, env (a, b);
        "recover" => recovery::recover, env (a, b, c, d, e, f);
        "recover_cancel" => recovery::recover_cancel, (a);
        "stores" => calls::stores, env ();
        "get_data" => calls::get_data, env (a, b);
        "exists" => calls::exists, env (a, b);
        "has_data" => calls::has_data, env (a, b);
        "read_quick" => calls::read_quick, env (a, b, c);
        "read" => calls::read, env (a, b, c);
        "scan" => calls::scan, env (a, b, c, d, e, f);
        "scan_next" => calls::scan_next, env (a, b);
        "scan_close" => calls::scan_close, (a);
        "count_next" => calls::count_next, env (a);
        "condition_met" => calls::condition_met, env (a, b, c);
        "keep_while" => calls::keep_while, env (a);
        "submit" => calls::submit, env (a, b, c, d);
        "barrier" => calls::barrier, env (a, b, c);
        "await_applied" => calls::await_applied, env (a, b, c, d);
        "cancel" => calls::cancel, (a);
        "status" => calls::status, env (a);
        "applied_index" => calls::applied_index, env (a);
        "peer_frame_quick" => calls::peer_frame_quick, env (a, b, c);
        "peer_frame" => calls::peer_frame, env (a, b, c);
        "node_state" => calls::node_state, env (a, b, c);
        "cluster_request" => calls::cluster_request, env (a, b, c);
        "limits" => calls::limits, env ();
        "take_snapshot" => calls::take_snapshot, (a);
        "provoke_panic" => calls::provoke_panic, (a, b);
        "transaction_begin" => transactions::transaction_begin, env (a, b);
        "transaction_enter" => transactions::transaction_enter, env (a, b, c);
        "transaction_stand_in_line" => transactions::transaction_stand_in_line, env (a, b, c);
        "transaction_go_on" => transactions::transaction_go_on, env (a);
        "transaction_write_quick" => transactions::transaction_write_quick, env (a, b);
        "transaction_write" => transactions::transaction_write, env (a, b);
        "transaction_commit_quick" => transactions::transaction_commit_quick, env (a, b, c, d);
        "transaction_commit" => transactions::transaction_commit, env (a, b, c, d);
        "transaction_close" => transactions::transaction_close, env (a);
        "transaction_came_true" => transactions::transaction_came_true, (a);
        "transaction_has_writes" => transactions::transaction_has_writes, (a);
        "request_result" => transactions::request_result, env (a, b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_vm_does_not_wait_for_is_made_in_its_order() {
        for function in ["submit", "barrier", "await_applied", "peer_frame_quick", "peer_frame", "node_state"]
        {
            assert_eq!(place(function), Place::Reader, "{function}");
        }
        assert_eq!(place("scan_next"), Place::Worker);
    }
}
