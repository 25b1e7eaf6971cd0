//! What Rust values are as terms.

use crate::term::Shape;
use crate::{Atom, Env, Term};

/// See the module. Unlike rustler's it names how long the term lives: so terms within a term need no copy.
pub trait Encoder<'a> {
    /// The term.
    fn encode(&self, env: Env<'a>) -> Term<'a>;
}

impl<'a> Encoder<'a> for Term<'a> {
    fn encode(&self, _env: Env<'a>) -> Term<'a> {
        *self
    }
}

impl<'a, T: Encoder<'a> + ?Sized> Encoder<'a> for &T {
    fn encode(&self, env: Env<'a>) -> Term<'a> {
        (**self).encode(env)
    }
}

impl<'a> Encoder<'a> for Atom {
    fn encode(&self, env: Env<'a>) -> Term<'a> {
        self.to_term(env)
    }
}

impl<'a> Encoder<'a> for bool {
    fn encode(&self, env: Env<'a>) -> Term<'a> {
        Atom::of(if *self { "true" } else { "false" }).to_term(env)
    }
}

impl<'a> Encoder<'a> for str {
    fn encode(&self, env: Env<'a>) -> Term<'a> {
        Term::new(env, Shape::Binary(env.bytes(self.as_bytes())))
    }
}

impl<'a> Encoder<'a> for String {
    fn encode(&self, env: Env<'a>) -> Term<'a> {
        self.as_str().encode(env)
    }
}

impl<'a, T: Encoder<'a>> Encoder<'a> for [T] {
    fn encode(&self, env: Env<'a>) -> Term<'a> {
        if self.is_empty() {
            return Term::list_new_empty(env);
        }
        let elements: Vec<Term<'a>> = self.iter().map(|element| element.encode(env)).collect();
        Term::new(env, Shape::List(env.heap.bump().alloc_slice_copy(&elements)))
    }
}

impl<'a, T: Encoder<'a>> Encoder<'a> for Vec<T> {
    fn encode(&self, env: Env<'a>) -> Term<'a> {
        self.as_slice().encode(env)
    }
}

macro_rules! integers {
    ($shape:ident: $($type:ty),*) => {
        $(impl<'a> Encoder<'a> for $type {
            fn encode(&self, env: Env<'a>) -> Term<'a> {
                Term::new(env, Shape::$shape((*self).into()))
            }
        })*
    };
}

integers!(Signed: i32, i64);
integers!(Unsigned: u8, u16, u32, u64);

macro_rules! tuples {
    ($($name:ident),*) => {
        impl<'a, $($name: Encoder<'a>),*> Encoder<'a> for ($($name,)*) {
            #[allow(non_snake_case, reason = "the variables are named after their types")]
            fn encode(&self, env: Env<'a>) -> Term<'a> {
                let ($($name,)*) = self;
                let elements = [$($name.encode(env)),*];
                Term::new(env, Shape::Tuple(env.heap.bump().alloc_slice_copy(&elements)))
            }
        }
    };
}

tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);
tuples!(A, B, C, D, E);
tuples!(A, B, C, D, E, F);
tuples!(A, B, C, D, E, F, G);
