//! What Erlang holds by a number.

use std::any::Any;
use std::ops::Deref;
use std::sync::Arc;

use crate::{Binary, Decoder, Encoder, Env, Error, NifResult, Term};

/// What a call has made, whatever it is.
pub type Object = Arc<dyn Any + Send + Sync>;

/// A type whose values Erlang may hold.
pub trait Resource: Send + Sync + Sized + 'static {}

/// One of them. Unlike in the VM it is not collected: Erlang says when it is of no more use.
pub struct ResourceArc<T: Resource>(Arc<T>);

impl<T: Resource> ResourceArc<T> {
    /// For Erlang to hold, once it is encoded.
    pub fn new(value: T) -> ResourceArc<T> {
        ResourceArc(Arc::new(value))
    }

    /// A binary of bytes that it has: a copy, unlike in the VM.
    pub fn make_binary<'a>(&self, env: Env<'a>, bytes: impl FnOnce(&T) -> &[u8]) -> Binary<'a> {
        Binary::of(env, env.bytes(bytes(&self.0)))
    }
}

impl<T: Resource> Deref for ResourceArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The number that stands for it; 0, which stands for nothing, outside of a call.
impl<'a, T: Resource> Encoder<'a> for ResourceArc<T> {
    fn encode(&self, env: Env<'a>) -> Term<'a> {
        let number = env.heap.caller().map_or(0, |caller| caller.keep(self.0.clone()));
        number.encode(env)
    }
}

impl<T: Resource> Decoder<'_> for ResourceArc<T> {
    fn decode(term: Term<'_>) -> NifResult<ResourceArc<T>> {
        let number = term.decode::<u64>()?;
        let object = term.get_env().heap.caller().and_then(|caller| caller.kept(number));
        let object = object.and_then(|object| object.downcast::<T>().ok());
        object.map(ResourceArc).ok_or(Error::BadArg)
    }
}
