//! Wrong passwords, missing things and rights.
