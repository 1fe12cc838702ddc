-- Triggers that the tables of a library share.

-- Columns named in the trigger keep what they were made with, whoever asks.
create function auth.keep_columns() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    before jsonb := to_jsonb(old);
    after jsonb := to_jsonb(new);
    kept text;
begin
    foreach kept in array tg_argv loop
        if before -> kept is distinct from after -> kept then
            raise exception using errcode = 'DC002', message = 'illegal_state',
                detail = format('%s of %s never changes', kept, tg_table_name);
        end if;
    end loop;
    return new;
end
$$;

-- What was decided stays decided, and is not decided twice: only a pending row takes another status.
create function auth.keep_status() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using errcode = 'DC002', message = 'illegal_state', detail = old.status;
end
$$;

-- Who removed a record, and when; nobody when it is taken back.
create function auth.stamp_removal() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    new.deleted_at := case when new.is_deleted then now() end;
    new.deleted_by := case when new.is_deleted then coalesce(auth.staff_id(new.library_id), new.deleted_by) end;
    return new;
end
$$;
