//! old_contract
