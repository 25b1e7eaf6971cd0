//! The directory of one store.

mod store_id;

pub use store_id::StoreId;
