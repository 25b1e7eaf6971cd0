//! Attributes that stand in source which is compiled for a NIF library, too. Outside of the VM they change nothing.

use proc_macro::TokenStream;

/// Marks a call that Erlang makes: the function stays as it is.
#[proc_macro_attribute]
pub fn nif(_arguments: TokenStream, function: TokenStream) -> TokenStream {
    function
}

/// Marks a type whose values Erlang holds: the implementation stays as it is.
#[proc_macro_attribute]
pub fn resource_impl(_arguments: TokenStream, implementation: TokenStream) -> TokenStream {
    implementation
}
