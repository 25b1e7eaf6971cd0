//! PLACEHOLDER until branch matchspec lands.
use crate::steps_left::OutOfSteps;
pub struct MatchSpecification;
pub enum MatchSpecificationError {
    IllFormed,
    NotSupported(String),
}
impl MatchSpecification {
    pub fn parse(_pattern: &[u8], _conditions: &[u8]) -> Result<MatchSpecification, MatchSpecificationError> {
        Err(MatchSpecificationError::NotSupported("placeholder".into()))
    }
    pub fn matches(&self, _data: &[u8], _steps: &mut u64) -> Result<bool, OutOfSteps> {
        Ok(false)
    }
}
