//! forge_trouble
