//! What every page must hold, in every language and whatever people write.
