-- The hash of a service key is kept sealed instead of keyed: what is sealed can be taken over by the next master secret,
-- and then the old one is needed no more. Whoever can write this table still cannot make a key that works. Keys that were
-- made before are revoked: their hash cannot be sealed by a migration.

alter table auth.service_keys drop constraint service_keys_mac_length;
alter table auth.service_keys rename column secret_mac to sealed_hash;

update auth.service_keys set revoked_at = coalesce(revoked_at, now()), sealed_hash = '';
