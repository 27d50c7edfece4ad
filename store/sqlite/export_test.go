package sqlite

// OnMigrationStep has fn called before each step of a migration.
func OnMigrationStep(fn func(step string)) { migrationStep = fn }
