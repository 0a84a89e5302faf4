-- +goose Up
-- Forecasts and suspicions are summed up by currency. A programme takes invoices in one
-- currency at a time, so what is here is in that of any invoice; the next night makes the
-- present forecast and all suspicions again.
ALTER TABLE forecasts ADD COLUMN currency text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE forecast_actuals ADD COLUMN currency text COLLATE "C" NOT NULL DEFAULT '';
UPDATE forecasts SET currency = coalesce((SELECT currency FROM invoices LIMIT 1), '');
UPDATE forecast_actuals SET currency = coalesce((SELECT currency FROM invoices LIMIT 1), '');
ALTER TABLE forecasts DROP CONSTRAINT forecasts_pkey, ADD PRIMARY KEY (made_for, target, currency, kind, step);
ALTER TABLE forecast_actuals DROP CONSTRAINT forecast_actuals_pkey, ADD PRIMARY KEY (target, currency, kind, step);

-- posted_minor and ahead_minor are those of the currency with the largest discounts, which
-- a suspicion is ranked by.
ALTER TABLE suspicions ADD COLUMN stakes jsonb NOT NULL DEFAULT '[]';
UPDATE suspicions SET stakes = jsonb_build_array(jsonb_build_object('currency', coalesce((SELECT currency FROM invoices LIMIT 1), ''),
    'posted_minor', posted_minor, 'ahead_minor', ahead_minor));
