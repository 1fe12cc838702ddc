//! Every key rotated twice under traffic, on two replicas.
