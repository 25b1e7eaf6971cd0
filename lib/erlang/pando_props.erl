%% @private Node properties (specification section 1.2) as the bits that the native side knows.
-module(pando_props).

-export([bits/1, default_bits/0, payload_bits/0, no_bits/0, with_payload/1, without_extra_payload/2]).

-define(PAYLOAD, 16#01).
-define(PAYLOAD_VERSION, 16#02).
-define(DELETE_REASON, 16#04).
-define(CHILD_LIST_VERSION, 16#08).
-define(CHILD_LIST_LENGTH, 16#10).
-define(CHILD_NAMES, 16#20).
-define(HAS_PAYLOAD, 16#40).
-define(RAW_PAYLOAD, 16#80).

%% @doc The bits of a `props_to_return' list. Atoms without a meaning are ignored, as specified; what is no list of
%% atoms raises `function_clause'.
-spec bits([atom()]) -> pando_backend:props_bits().
bits(Props) when is_list(Props) -> bits(Props, 0).

bits([], Bits) -> Bits;
bits([Prop | Props], Bits) when is_atom(Prop) -> bits(Props, Bits bor bit(Prop)).

bit(payload) -> ?PAYLOAD;
bit(payload_version) -> ?PAYLOAD_VERSION;
bit(delete_reason) -> ?DELETE_REASON;
bit(child_list_version) -> ?CHILD_LIST_VERSION;
bit(child_list_length) -> ?CHILD_LIST_LENGTH;
bit(child_names) -> ?CHILD_NAMES;
bit(has_payload) -> ?HAS_PAYLOAD;
bit(raw_payload) -> ?RAW_PAYLOAD;
bit(_Unknown) -> 0.

%% @doc What a caller gets who does not choose.
-spec default_bits() -> pando_backend:props_bits().
default_bits() -> ?PAYLOAD bor ?PAYLOAD_VERSION bor ?DELETE_REASON.

%% @doc The payload and nothing else.
-spec payload_bits() -> pando_backend:props_bits().
payload_bits() -> ?PAYLOAD.

%% @doc With the payload, whether or not it is asked for.
-spec with_payload(pando_backend:props_bits()) -> pando_backend:props_bits().
with_payload(Bits) -> Bits bor ?PAYLOAD.

%% @doc Properties that were read `with_payload/1', as who asked for `Bits' is to see them.
-spec without_extra_payload(pando_adv:node_props(), pando_backend:props_bits()) -> pando_adv:node_props().
without_extra_payload(Props, Bits) when Bits band ?PAYLOAD =/= 0 -> Props;
without_extra_payload(Props, _Bits) -> maps:without([data, sproc], Props).

%% @doc Nothing.
-spec no_bits() -> pando_backend:props_bits().
no_bits() -> 0.
